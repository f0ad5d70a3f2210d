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
