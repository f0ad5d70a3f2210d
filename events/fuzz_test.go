package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzTokenCodec holds the codec total, reversible and safe in a subject.
func FuzzTokenCodec(f *testing.F) {
	for _, id := range []string{"", "shop", "a.b", "*", ">", "=", "é", "\x00", strings.Repeat("x", 65)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		token := EncodeToken(id)
		if token == "" || strings.ContainsAny(token, ".*> \t\r\n\x00") {
			t.Fatalf("%q is encoded as %q, which is no subject token", id, token)
		}
		if back, err := DecodeToken(token); err != nil || back != id {
			t.Fatalf("%q comes back as %q, %v", id, back, err)
		}
		if other, err := DecodeToken(id); err == nil && EncodeToken(other) != id {
			t.Fatalf("token %q is a second form of %q", id, other)
		}
	})
}

// FuzzDecode holds that whatever decodes can be encoded and decoded again to the
// same fact, and that whatever does not is malformed, without a panic.
func FuzzDecode(f *testing.F) {
	for name := range samples() {
		m := encoded(f, name)
		f.Add(m.Subject, m.Header[HeaderType][0], m.Data)
	}
	f.Add("pos.v1.session.shop.42", "session.logged_in.v2", []byte("{}"))
	f.Fuzz(func(t *testing.T, subject, typ string, data []byte) {
		m := encoded(t, "session.logged_in.v1.minimal")
		m.Subject, m.Data = subject, data
		m.Header[HeaderType] = []string{typ}
		first, err := Decode(m)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v is not ErrMalformed", err)
			}
			return
		}
		again, err := Encode(first)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		second, err := Decode(again)
		if err != nil || !sameFact(first.Event, second.Event) {
			t.Fatalf("second decode differs: %+v, %+v, %v", first, second, err)
		}
	})
}

// sameFact compares by JSON: an empty map and no map are the same fact.
func sameFact(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && reflect.TypeOf(a) == reflect.TypeOf(b) && bytes.Equal(left, right)
}

// FuzzHeader holds that header parsing accepts only what header writes.
func FuzzHeader(f *testing.F) {
	f.Add("1.0", "id", "session.touched.v1", "/posse", "2026-03-14T09:26:53.589Z", true)
	f.Add("", "", ".v1", "", "now", false)
	f.Fuzz(func(t *testing.T, spec, id, typ, source, at string, once bool) {
		h := map[string][]string{
			HeaderSpecVersion: {spec}, HeaderID: {id}, HeaderType: {typ}, HeaderSource: {source}, HeaderTime: {at},
		}
		if !once {
			h[HeaderID] = append(h[HeaderID], id)
		}
		a, err := parseHeader(h)
		if err != nil {
			return
		}
		if !once || spec != specVersion || versionedType(a.kind, a.version) != typ || a.id != id {
			t.Fatalf("accepted %v as %+v", h, a)
		}
	})
}

// FuzzTimestamp holds that a time which is read is written back as the same time.
func FuzzTimestamp(f *testing.F) {
	f.Add("1773480413.589")
	f.Add("0.1")
	f.Fuzz(func(t *testing.T, text string) {
		var first, second Timestamp
		if first.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		data, err := first.MarshalJSON()
		if err != nil {
			t.Fatalf("%q is read but not written: %v", text, err)
		}
		if err := second.UnmarshalJSON(data); err != nil || first != second {
			t.Fatalf("%q: %d is written %s and read as %d, %v", text, first, data, second, err)
		}
	})
}

// FuzzSubject holds that a subject which is read is the one that is written for the
// same ids, and that any other is refused by name.
func FuzzSubject(f *testing.F) {
	for _, subject := range []string{
		SessionSubject("shop", "42"), SessionSubject("café", "a.b>"), TouchSubject(Key{"shop", "42", "*"}), KeySubject("shop", "2026q1", "42"),
		RevocationSubject("shop"), SubjectTick, "pos.v1.session.shop", "pos.v1.session.shop.42.7", "pos.v1.touch.=.=.=", "pos.v1.session.=c2hvcA.42",
	} {
		f.Add(subject)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		key, err := SubjectKey(subject)
		switch {
		case err != nil && !errors.Is(err, ErrInvalidSubject):
			t.Errorf("error %v is not ErrInvalidSubject", err)
		case err == nil && subject != SessionSubject(key.Tenant, key.User) && subject != TouchSubject(key):
			t.Errorf("%q is read as %+v, which is written otherwise", subject, key)
		}
		if tenant, err := KeyTenant(subject); err == nil && !strings.HasPrefix(subject, keysPrefix+EncodeToken(tenant)+".") {
			t.Errorf("%q is said to be of tenant %q", subject, tenant)
		}
	})
}

// FuzzID holds that a good id is bounded UTF-8 and survives JSON and a subject, and
// that any other is refused by name, in few words.
func FuzzID(f *testing.F) {
	for _, id := range []string{"", "42", "é", "\xff", "\x00", strings.Repeat("x", MaxID), strings.Repeat("x", MaxID+1)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		err := ValidateID("user", id)
		if err != nil {
			if !errors.Is(err, ErrInvalidID) || len(err.Error()) > 8*MaxID {
				t.Errorf("refused with %v", err)
			}
			return
		}
		data, err := json.Marshal(id)
		var back string
		if err != nil || json.Unmarshal(data, &back) != nil || back != id || len(id) > MaxID {
			t.Errorf("%q comes back from JSON as %q, %v", id, back, err)
		}
		if key, err := SubjectKey(SessionSubject("shop", id)); err != nil || key.User != id {
			t.Errorf("%q comes back from a subject as %+v, %v", id, key, err)
		}
	})
}

// FuzzRevocation holds that what a gateway takes for a revocation names a session of
// the subject's tenant and is the same when it is written and read again, and that
// everything else is malformed.
func FuzzRevocation(f *testing.F) {
	for _, tenant := range []string{"shop", "café"} {
		data, err := json.Marshal(Revocation{Tenant: tenant, Session: "s1", Expires: 7, Cause: CauseTerminate, Sequence: 3, Previous: 2})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(RevocationSubject(tenant), data)
	}
	f.Add(SubjectTick, []byte("{}"))
	f.Add(RevocationSubject("shop"), []byte(`{"tenant":"shop","session":"\ud800","expires":1e3,"sequence":1}`))
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		r, err := DecodeRevocation(subject, data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v is not ErrMalformed", err)
			}
			return
		}
		if RevocationSubject(r.Tenant) != subject || ValidateID("session", r.Session) != nil || r.Sequence == 0 || r.Expires == 0 {
			t.Errorf("on %q it is taken for %+v", subject, r)
		}
		again, err := json.Marshal(r)
		if second, secondErr := DecodeRevocation(subject, again); err != nil || secondErr != nil || second != r {
			t.Errorf("%+v comes back as %+v, %v, %v", r, second, err, secondErr)
		}
	})
}

// FuzzTick does the same with ticks.
func FuzzTick(f *testing.F) {
	f.Add([]byte(`{"sequence":7,"as_of":1773480413.589,"written":1773480413.6,"stream_created":1,"relay":"a"}`))
	f.Add([]byte(`{"as_of":-1,"written":-1,"stream_created":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tick, err := DecodeTick(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v is not ErrMalformed", err)
			}
			return
		}
		again, err := json.Marshal(tick)
		if second, secondErr := DecodeTick(again); err != nil || secondErr != nil || !sameFact(second, tick) || tick.Written < tick.AsOf {
			t.Errorf("%+v comes back as %+v, %v, %v", tick, second, err, secondErr)
		}
	})
}

// FuzzUserJWT reads what may stand in a file of credentials: what is no JWT is an
// error that says so and does not repeat it.
func FuzzUserJWT(f *testing.F) {
	f.Add("e30.eyJzdWIiOiJVQUJDIn0.c2ln")
	f.Add("..")
	f.Add("a.b.c.d")
	f.Fuzz(func(t *testing.T, jwt string) {
		prefix, err := InboxPrefixFor("", func() (string, error) { return jwt, nil })
		if err != nil && (prefix != "" || len(jwt) > 60 && strings.Contains(err.Error(), jwt)) {
			t.Errorf("%q is refused as %q, %v", jwt, prefix, err)
		}
		if err == nil && prefix != "" && !strings.HasPrefix(prefix, inboxPrefix) {
			t.Errorf("answers are awaited on %q", prefix)
		}
	})
}
