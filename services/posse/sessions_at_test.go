package main

import (
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

func TestParseMoment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, zone, want string }{
		{"2026-11-20 14:05", "UTC", "2026-11-20T14:05:00Z"},
		{"2026-11-20 14:05:09", "Europe/Madrid", "2026-11-20T13:05:09Z"},
		{"2026-11-20T14:05:00.25+01:00", "UTC", "2026-11-20T13:05:00.25Z"},
		{"2026-10-25 02:30", "Europe/Madrid", "comes twice"},
		{"2026-03-29 02:30", "Europe/Madrid", "clocks are set forward"},
		{"0001-01-01T00:00:00Z", "UTC", "lies before 1970"},
		{"9999-12-31T23:59:59-01:00", "UTC", "after 9999"},
		{"yesterday", "UTC", `"yesterday" is not a moment`},
		{"2026-13-01 10:00", "UTC", "is not a moment"},
		{"", "UTC", "is not a moment"},
	} {
		zone, err := zoneOf(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := parseMoment(test.text, zone)
		got := at.UTC().Format(time.RFC3339Nano)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%q in %s is %s, want %s", test.text, zone, got, test.want)
		}
	}
	for _, name := range []string{"", "Local", "Mars/Olympus", "../etc/passwd"} {
		if _, err := zoneOf(name); err == nil {
			t.Errorf("%q is taken for a zone", name)
		}
	}
}

func TestEndText(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)
	end := &client.Ending{At: now.Add(-time.Hour), Cause: "terminate", ActorUser: "boss", ReasonAdmin: "\x1b[2Jlost"}
	for want, session := range map[string]client.Session{
		"still signed in":                                      {Expires: now.Add(time.Second)},
		"2026-11-20 14:05:00 UTC, expired":                     {Expires: now},
		"2026-11-20 13:05:00 UTC, terminate by boss: ·[2Jlost": {Expires: now, EndedLater: end},
	} {
		if got := endText(session, time.UTC, now); got != want {
			t.Errorf("it ended %q, want %q", got, want)
		}
	}
}
