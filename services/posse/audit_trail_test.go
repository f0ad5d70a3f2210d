package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
)

// TestClaimsFitTheRecord: a name of any length must not keep a read from being recorded.
func TestClaimsFitTheRecord(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "ana", strings.Repeat("é", 1000), "\xff\xfeana"} {
		got := claim(name)
		if len(got) > events.MaxAuditClaim || !utf8.ValidString(got) || !strings.HasPrefix(strings.ToValidUTF8(name, ""), got) {
			t.Errorf("%.20q is recorded as %.20q of %d bytes", name, got, len(got))
		}
	}
	if got := claim("ana"); got != "ana" {
		t.Errorf("ana is recorded as %q", got)
	}
	if osUser() == "" {
		t.Error("whoever runs this has no name")
	}
}
