package events

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
)

func encoded(tb testing.TB, name string) Message {
	tb.Helper()
	m, err := Encode(samples()[name])
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestDecodeKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"session.logged_in.v2", "session.moved.v1", "org.example.other.v37"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			m := encoded(t, "session.logged_in.v1.full")
			m.Header[HeaderType] = []string{typ}
			got, err := Decode(m)
			if err != nil {
				t.Fatal(err)
			}
			unknown, ok := got.Event.(Unknown)
			if !ok {
				t.Fatalf("decoded as %T, want Unknown", got.Event)
			}
			if unknown.SessionKey() != samples()["session.logged_in.v1.full"].Event.SessionKey() {
				t.Errorf("key of unknown fact: %+v", unknown.SessionKey())
			}
			again, err := Encode(got)
			if err != nil || !reflect.DeepEqual(again, m) {
				t.Errorf("an unknown fact did not pass through whole: %+v, %v", again, err)
			}
		})
	}
}

func TestDecodeKeepsUnknownFactsWithAnyPayload(t *testing.T) {
	t.Parallel()
	m := encoded(t, "session.touched.v1.full")
	m.Header[HeaderType] = []string{"session.touched.v9"}
	m.Data = []byte("\x00 not JSON")
	got, err := Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	if unknown, ok := got.Event.(Unknown); !ok || unknown.Session == "" || !bytes.Equal(unknown.Message.Data, m.Data) {
		t.Errorf("decoded as %+v", got.Event)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*Message)
		says  string
	}{
		"no headers":             {func(m *Message) { m.Header = nil }, "ce-specversion occurs 0 times"},
		"a doubled header":       {func(m *Message) { m.Header[HeaderID] = []string{"a", "b"} }, "ce-id occurs 2 times"},
		"another specversion":    {func(m *Message) { m.Header[HeaderSpecVersion] = []string{"0.3"} }, `"0.3"`},
		"a type with no version": {func(m *Message) { m.Header[HeaderType] = []string{"session.logged_in"} }, "not of the form"},
		"version 0":              {func(m *Message) { m.Header[HeaderType] = []string{"session.logged_in.v0"} }, "no version"},
		"version 01":             {func(m *Message) { m.Header[HeaderType] = []string{"session.logged_in.v01"} }, "no version"},
		"a time of another form": {func(m *Message) { m.Header[HeaderTime] = []string{"yesterday"} }, HeaderTime},
		"an id with a space":     {func(m *Message) { m.Header[HeaderID] = []string{"a b"} }, "printable"},
		"an empty id":            {func(m *Message) { m.Header[HeaderID] = []string{""} }, "0 bytes"},
		"a foreign subject":      {func(m *Message) { m.Subject = "orders.created" }, "neither"},
		"too few ids":            {func(m *Message) { m.Subject = "pos.v1.session.shop" }, "1 ids"},
		"another user's subject": {func(m *Message) { m.Subject = SessionSubject("shop", "43") }, "another tenant, user or session"},
		"a touch subject":        {func(m *Message) { m.Subject = TouchSubject(Key{"shop", "42", "s"}) }, "does not belong"},
		"a payload of no JSON":   {func(m *Message) { m.Data = []byte("\xff\xfe") }, "payload of session.logged_in.v1"},
		"an empty payload":       {func(m *Message) { m.Data = nil }, "payload of session.logged_in.v1"},
		"a wrong JSON type":      {func(m *Message) { m.Data = []byte(`{"created":"now"}`) }, "invalid timestamp"},
		"no session":             {func(m *Message) { m.Data = []byte(`{"tenant":"shop","user":"42"}`) }, "session is empty"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := encoded(t, "session.logged_in.v1.full")
			m.Header = maps.Clone(m.Header)
			c.spoil(&m)
			_, err := Decode(m)
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want ErrMalformed saying %q", err, c.says)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	good := samples()["session.logged_in.v1.full"]
	spoiled := func(spoil func(*LoggedIn)) Envelope {
		e := good
		login := e.Event.(LoggedIn)
		spoil(&login)
		e.Event = login
		return e
	}
	noID := good
	noID.ID = ""
	cases := map[string]struct {
		envelope Envelope
		want     error
	}{
		"an empty session":   {spoiled(func(l *LoggedIn) { l.Session = "" }), ErrInvalidID},
		"an id over 128":     {spoiled(func(l *LoggedIn) { l.User = strings.Repeat("u", MaxID+1) }), ErrInvalidID},
		"an id of no UTF-8":  {spoiled(func(l *LoggedIn) { l.Tenant = "\xff" }), ErrInvalidID},
		"a huge payload":     {spoiled(func(l *LoggedIn) { l.Personal.UserAgent = strings.Repeat("x", MaxPayload) }), ErrTooLarge},
		"a time before 1970": {spoiled(func(l *LoggedIn) { l.Created = -1 }), ErrInvalidTimestamp},
		"no event id":        {noID, ErrInvalidID},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Encode(c.envelope); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}
