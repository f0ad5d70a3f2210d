package events

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
)

func auditEncoded(tb testing.TB, name string) Message {
	tb.Helper()
	m, err := EncodeAudit(auditSamples()[name])
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestDecodeAuditKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"audit.read.v2", "audit.exported.v1"} {
		m := auditEncoded(t, "audit.read.v1.full")
		m.Header[HeaderType] = []string{typ}
		got, err := DecodeAudit(m)
		if err != nil {
			t.Fatal(err)
		}
		if unknown, ok := got.Fact.(UnknownAudit); !ok || unknown.AuditTenant() != "shop" || unknown.EventType() == "" {
			t.Errorf("%s is decoded as %+v", typ, got.Fact)
		}
		if again, err := EncodeAudit(got); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("an unknown fact did not pass through whole: %+v, %v", again, err)
		}
	}
}

func TestDecodeAuditRefuses(t *testing.T) {
	t.Parallel()
	good := auditEncoded(t, "retention.swept.v1.full")
	for name, change := range map[string]func(*Message){
		"another tenant":        func(m *Message) { m.Subject = AuditSubject("other") },
		"all tenants at once":   func(m *Message) { m.Subject, m.Data = AuditSubject(""), []byte(`{}`) },
		"a subject of a user":   func(m *Message) { m.Subject = SessionSubject("shop", "7") },
		"a subject with a tail": func(m *Message) { m.Subject += ".more" },
		"no JSON":               func(m *Message) { m.Data = []byte("{") },
		"no type":               func(m *Message) { m.Header = maps.Clone(m.Header); delete(m.Header, HeaderType) },
	} {
		m := good
		change(&m)
		if got, err := DecodeAudit(m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v; want ErrMalformed", name, got, err)
		}
	}
}

func TestEncodeAuditRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		envelope AuditEnvelope
		want     error
	}{
		"a sweep of no tenant": {AuditEnvelope{ID: "a", Fact: RetentionSwept{}}, ErrInvalidID},
		"a long tenant":        {AuditEnvelope{ID: "a", Fact: AuditRead{Tenant: strings.Repeat("x", MaxID+1)}}, ErrInvalidID},
		"no id":                {AuditEnvelope{Fact: AuditRead{}}, ErrInvalidID},
		"too much":             {AuditEnvelope{ID: "a", Fact: AuditRead{Format: strings.Repeat("x", MaxPayload)}}, ErrTooLarge},
	} {
		if _, err := EncodeAudit(c.envelope); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzDecodeAudit holds that whatever decodes can be encoded and decoded again to
// the same fact, and that whatever does not is malformed, without a panic.
func FuzzDecodeAudit(f *testing.F) {
	for name := range auditSamples() {
		m := auditEncoded(f, name)
		f.Add(m.Subject, m.Header[HeaderType][0], m.Data)
	}
	f.Add("pos.v1.audit.=", "audit.read.v2", []byte("{}"))
	f.Fuzz(func(t *testing.T, subject, typ string, data []byte) {
		m := auditEncoded(t, "audit.read.v1.minimal")
		m.Subject, m.Data = subject, data
		m.Header[HeaderType] = []string{typ}
		first, err := DecodeAudit(m)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v is not ErrMalformed", err)
			}
			return
		}
		again, err := EncodeAudit(first)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		second, err := DecodeAudit(again)
		if err != nil || !sameFact(first.Fact, second.Fact) {
			t.Fatalf("second decode differs: %+v, %+v, %v", first, second, err)
		}
	})
}
