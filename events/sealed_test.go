package events

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sampleKey is the key of the samples whose personal data is sealed.
var sampleKey = PersonalKey{ID: "2026q1-7m2vcq4d", Secret: [SecretSize]byte{1, 2, 3}}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	for name, sample := range samples() {
		sealed, err := Seal(sample, sampleKey)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := Encode(sealed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, canary := range []string{"Till 3", "till3", "2001:db8", "203.0.113.9", "stolen", "Counter", `"personal"`} {
			if sample.Event.EventType() != TypeTouched && strings.Contains(string(m.Data), canary) {
				t.Errorf("%s: sealed, it still says %q: %s", name, canary, m.Data)
			}
		}
		read, err := Decode(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		opened, err := Decoder{}.Opener(sampleKey).Open(read)
		if plain, openErr := (Decoder{}).Opener(sampleKey).Open(sample); err != nil || openErr != nil || !reflect.DeepEqual(opened, plain) {
			t.Errorf("%s: sealed and opened it is %+v, %v", name, opened, err)
		}
		if again, err := Seal(sealed, sampleKey); err != nil || !reflect.DeepEqual(again, sealed) {
			t.Errorf("%s: sealed twice it is %+v, %v", name, again, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	sealed, err := Seal(samples()["session.refreshed.v1.full"], sampleKey)
	if err != nil {
		t.Fatal(err)
	}
	if SealedWith(sealed.Event) != sampleKey.ID {
		t.Fatalf("it says that it was sealed with %q", SealedWith(sealed.Event))
	}
	change := func(edit func(e *Envelope, r *Refreshed)) Envelope {
		e := sealed
		r, _ := e.Event.(Refreshed)
		edit(&e, &r)
		e.Event = r
		return e
	}
	otherID, otherSecret := sampleKey, sampleKey
	otherID.ID, otherSecret.Secret = "2026q2-7m2vcq4d", [SecretSize]byte{9}
	for name, tt := range map[string]struct {
		fact Envelope
		key  PersonalKey
	}{
		"another key":                     {sealed, otherID},
		"another secret under the key":    {sealed, otherSecret},
		"the sealed data of another fact": {change(func(e *Envelope, _ *Refreshed) { e.ID = "refresh-3" }), sampleKey},
		"of another user":                 {change(func(_ *Envelope, r *Refreshed) { r.User = "43" }), sampleKey},
		"a bit changed": {change(func(_ *Envelope, r *Refreshed) {
			data, err := base64.StdEncoding.DecodeString(r.Sealed.Data)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			r.Sealed.Data = base64.StdEncoding.EncodeToString(data)
		}), sampleKey},
		"cut short":  {change(func(_ *Envelope, r *Refreshed) { r.Sealed.Data = r.Sealed.Data[:8] }), sampleKey},
		"not base64": {change(func(_ *Envelope, r *Refreshed) { r.Sealed.Data = "%" }), sampleKey},
	} {
		if got, err := (Decoder{}).Opener(tt.key).Open(tt.fact); !errors.Is(err, ErrNotOpened) || !reflect.DeepEqual(got, tt.fact) {
			t.Errorf("%s: opened to %+v, %v", name, got, err)
		}
	}
}

func TestSealRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	fact := samples()["session.revoked.v1.full"]
	revoked, _ := fact.Event.(Revoked)
	revoked.Personal.ReasonAdmin = strings.Repeat("x", MaxPayload)
	fact.Event = revoked
	if _, err := Seal(fact, sampleKey); !errors.Is(err, ErrTooLarge) {
		t.Errorf("sealed with %v, want ErrTooLarge", err)
	}
	revoked.Personal.ReasonAdmin = strings.Repeat("x", MaxPayload-100)
	fact.Event = revoked
	sealed, err := Seal(fact, sampleKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Encode(sealed); err != nil {
		t.Errorf("what may be sealed must be stored: %v", err)
	}
}

func TestKeysAreStoredWhole(t *testing.T) {
	t.Parallel()
	key := NewPersonalKey(Quarter(sampleTime))
	data, err := EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeKey(data); err != nil || got != key || got.Quarter() != "2026q1" {
		t.Errorf("read back as %v of quarter %q, %v", got, got.Quarter(), err)
	}
	for name, broken := range map[string]string{
		"no JSON": "secret", "no id": `{"secret":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`, "a short secret": `{"id":"2026q1-x","secret":"AAAA"}`,
	} {
		if _, err := DecodeKey([]byte(broken)); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: read with %v", name, err)
		}
	}
}

func TestQuarter(t *testing.T) {
	t.Parallel()
	for moment, want := range map[string]string{
		"2026-01-01T00:00:00Z": "2026q1", "2026-03-31T23:59:59Z": "2026q1", "2026-04-01T00:00:00Z": "2026q2",
		"2026-09-30T23:30:00-02:00": "2026q4", "2026-12-31T23:59:59Z": "2026q4",
	} {
		at, err := time.Parse(time.RFC3339, moment)
		if err != nil {
			t.Fatal(err)
		}
		if got := Quarter(at); got != want {
			t.Errorf("%s is in %s, want %s", moment, got, want)
		}
	}
}

func TestAKeyDoesNotPrintItsSecret(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, sampleKey); got != sampleKey.ID {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// TestWhatWasSealedOnceOpens opens frozen bytes: a change of the cipher, or of what
// it is bound to, would lose every history.
func TestWhatWasSealedOnceOpens(t *testing.T) {
	t.Parallel()
	opened, err := Decoder{}.Opener(sampleKey).Open(samples()["session.refreshed.v1.sealed"])
	if err != nil {
		t.Fatal(err)
	}
	want := DevicePersonal{IP: "203.0.113.9", UserAgent: "WCPOS/1.8.2 (ios; build 240)"}
	if got, _ := opened.Event.(Refreshed); got.Personal != want || got.Sealed != (Sealed{}) {
		t.Errorf("it says %+v, want %+v", got, want)
	}
}

// FuzzSeal holds that what a stranger says of themselves comes back from its seal as it
// was, that it is not to be read in it, and that it opens in its own fact only.
func FuzzSeal(f *testing.F) {
	f.Add("ada", "Ada <b>", "Mozilla/5.0", "2001:db8::7", `"iOS"`)
	f.Add("", "", "", "", "\x00")
	f.Add("\u2028", "\\", "\xff", "é", "")
	f.Fuzz(func(t *testing.T, username, name, agent, ip, hint string) {
		fact := samples()["session.logged_in.v1.full"]
		login, _ := fact.Event.(LoggedIn)
		login.Personal = LoginPersonal{
			Username: username, DisplayName: name, UserAgent: agent, IP: ip, ClientHints: map[string]string{"Sec-CH-UA-Platform": hint},
		}
		fact.Event = login
		// JSON holds valid UTF-8 only; what is not is refused before it is sealed.
		data, err := json.Marshal(login.Personal)
		if err != nil {
			t.Fatal(err)
		}
		login.Personal = LoginPersonal{}
		if err := json.Unmarshal(data, &login.Personal); err != nil {
			t.Fatal(err)
		}
		sealed, err := Seal(fact, sampleKey)
		if err != nil {
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("sealed with %v", err)
			}
			return
		}
		if left, _ := sealed.Event.(LoggedIn); !reflect.DeepEqual(left.Personal, LoginPersonal{}) {
			t.Errorf("sealed, it still says %+v", left.Personal)
		}
		opened, err := Decoder{}.Opener(sampleKey).Open(sealed)
		if got, _ := opened.Event.(LoggedIn); err != nil || !reflect.DeepEqual(got, login) {
			t.Errorf("%+v comes back as %+v, %v", login, got, err)
		}
		sealed.ID += "x"
		if _, err := (Decoder{}).Opener(sampleKey).Open(sealed); !errors.Is(err, ErrNotOpened) {
			t.Errorf("it opens in another fact: %v", err)
		}
	})
}

// FuzzOpen puts anything in the place of what was sealed: it opens if it is that, and
// is ErrNotOpened otherwise, and the fact stays as it was.
func FuzzOpen(f *testing.F) {
	sealed, err := Seal(samples()["session.refreshed.v1.full"], sampleKey)
	if err != nil {
		f.Fatal(err)
	}
	whole, _ := sealed.Event.(Refreshed)
	f.Add(whole.Sealed.Key, whole.Sealed.Data)
	f.Add("", "")
	f.Add(sampleKey.ID, "")
	f.Add(sampleKey.ID, base64.StdEncoding.EncodeToString(make([]byte, 28)))
	f.Add("2026q2-7m2vcq4d", whole.Sealed.Data)
	f.Fuzz(func(t *testing.T, key, data string) {
		fact, changed := sealed, whole
		changed.Sealed = Sealed{Key: key, Data: data}
		fact.Event = changed
		opened, err := Decoder{}.Opener(sampleKey).Open(fact)
		got, _ := opened.Event.(Refreshed)
		switch {
		case err != nil && (!errors.Is(err, ErrNotOpened) || !reflect.DeepEqual(opened, fact)):
			t.Errorf("refused with %v and given back as %+v", err, opened)
		case err == nil && key == "" && !reflect.DeepEqual(opened, fact):
			t.Errorf("what is not sealed is opened to %+v", opened)
		case err == nil && key != "":
			want, _ := samples()["session.refreshed.v1.full"].Event.(Refreshed)
			if key != sampleKey.ID || !reflect.DeepEqual(got, want) {
				t.Errorf("%q opens with key %q, to %+v", data, key, got)
			}
		}
	})
}

// FuzzPersonalKey reads what may lie in POS_KEYS: a key comes back as it was, and the
// error of what is none does not have the secret in it.
func FuzzPersonalKey(f *testing.F) {
	data, err := EncodeKey(sampleKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"id":"2026q1-x","secret":"AAAA"}`))
	f.Add([]byte(`{"id":1,"secret":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := DecodeKey(data)
		if err != nil {
			var said struct {
				Secret string `json:"secret"`
			}
			if json.Unmarshal(data, &said) == nil && len(said.Secret) > 8 && strings.Contains(err.Error(), said.Secret) {
				t.Errorf("the error has the secret: %v", err)
			}
			return
		}
		again, err := EncodeKey(key)
		if back, backErr := DecodeKey(again); err != nil || backErr != nil || back != key || key.ID == "" || len(key.ID) > MaxKeyID {
			t.Errorf("%v comes back as %v, %v, %v", key, back, err, backErr)
		}
	})
}
