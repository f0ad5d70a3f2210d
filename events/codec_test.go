package events

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTokenCodec(t *testing.T) {
	t.Parallel()
	cases := []struct{ id, token string }{
		{"shop", "shop"},
		{"0195f1c2-7d1e_A", "0195f1c2-7d1e_A"},
		{"", "="},
		{"a.b", "=YS5i"},
		{">", "=Pg"},
		{"*", "=Kg"},
		{"=YS5i", "=PVlTNWk"},
		{"anna@example.com", "=YW5uYUBleGFtcGxlLmNvbQ"},
		{strings.Repeat("x", 64), strings.Repeat("x", 64)},
	}
	for _, c := range cases {
		if got := EncodeToken(c.id); got != c.token {
			t.Errorf("EncodeToken(%q) = %q, want %q", c.id, got, c.token)
		}
		if got, err := DecodeToken(c.token); err != nil || got != c.id {
			t.Errorf("DecodeToken(%q) = %q, %v, want %q", c.token, got, err, c.id)
		}
	}
	if long := EncodeToken(strings.Repeat("x", 65)); !strings.HasPrefix(long, "=") {
		t.Errorf("an id of 65 characters stands for itself: %q", long)
	}
}

func TestDecodeTokenRefusesSecondForms(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "a.b", "*", ">", "a b", "=c2hvcA", "=YS5i=", "=YS5j!", "=YS5", "é"} {
		if id, err := DecodeToken(token); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("DecodeToken(%q) = %q, %v, want ErrInvalidToken", token, id, err)
		}
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	cases := []struct {
		at   time.Time
		json string
	}{
		{time.Time{}, "0"},
		{time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), "1773480413"},
		{time.Date(2026, 3, 14, 9, 26, 53, 589e6, time.UTC), "1773480413.589"},
		{time.Date(2026, 3, 14, 9, 26, 53, 9e6, time.UTC), "1773480413.009"},
	}
	for _, c := range cases {
		data, err := json.Marshal(TimestampOf(c.at))
		if err != nil || string(data) != c.json {
			t.Errorf("%v is written %s, %v, want %s", c.at, data, err, c.json)
		}
		var back Timestamp
		if err := json.Unmarshal([]byte(c.json), &back); err != nil || !back.Time().Equal(c.at) {
			t.Errorf("%s is read as %v, %v, want %v", c.json, back.Time(), err, c.at)
		}
	}
}

func TestTimestampRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"2026-03-14"`, "-1", "1.2345", "1e3", "253402300800", "1.-1", "true"} {
		var back Timestamp
		if err := back.UnmarshalJSON([]byte(text)); !errors.Is(err, ErrInvalidTimestamp) {
			t.Errorf("%s is read as %v, %v, want ErrInvalidTimestamp", text, back, err)
		}
	}
}

func TestDecodeRevocation(t *testing.T) {
	t.Parallel()
	good := Revocation{Tenant: "shop", Session: "s", Expires: 5, Cause: CauseTerminate, Sequence: 9, Previous: 4}
	data, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeRevocation(RevocationSubject("shop"), data); err != nil || got != good {
		t.Errorf("decoded %+v, %v", got, err)
	}
	for subject, payload := range map[string]string{
		RevocationSubject("other"): string(data),
		RevocationSubject("shop"):  `{"tenant":"shop","session":"s"}`,
		RevocationSubject(""):      `{}`,
		"pos.v1.revocation.x":      `nonsense`,
	} {
		if _, err := DecodeRevocation(subject, []byte(payload)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s on %s: %v, want ErrMalformed", payload, subject, err)
		}
	}
}

func TestDecodeTick(t *testing.T) {
	t.Parallel()
	want := Tick{Sequence: 7, AsOf: 1000, Written: 1500, StreamCreated: 500, Relay: "r"}
	if got, err := DecodeTick([]byte(`{"sequence":7,"as_of":1,"written":1.5,"stream_created":0.5,"relay":"r"}`)); err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
	for _, payload := range []string{"", "[]", `{"sequence":7}`, `{"sequence":-1,"as_of":1,"written":1,"stream_created":1}`, `{"sequence":7,"as_of":1,"stream_created":1}`} {
		if _, err := DecodeTick([]byte(payload)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", payload, err)
		}
	}
}

func TestSessionsSubject(t *testing.T) {
	t.Parallel()
	for want, ids := range map[string][2]string{
		"pos.v1.session.>":             {"", ""},
		"pos.v1.session.shop.>":        {"shop", ""},
		"pos.v1.session.*.ann":         {"", "ann"},
		"pos.v1.session.shop.=YSo-":    {"shop", "a*>"},
		"pos.v1.session.=PiA.=Kg":      {"> ", "*"},
		"pos.v1.session.shop.ann-7_Z9": {"shop", "ann-7_Z9"},
	} {
		if got := SessionsSubject(ids[0], ids[1]); got != want {
			t.Errorf("tenant %q and user %q: %s, want %s", ids[0], ids[1], got, want)
		}
	}
	for _, subject := range []string{"pos.v1.session.shop", "pos.v1.session.shop.ann.7", "pos.v1.tick", "pos.v1.session.shop.*"} {
		if key, err := SubjectKey(subject); !errors.Is(err, ErrInvalidSubject) {
			t.Errorf("key of %s: %+v, %v; want ErrInvalidSubject", subject, key, err)
		}
	}
}
