package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

func TestLastActiveAsPeopleSayIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		-time.Second:     "now",
		59 * time.Second: "now",
		5 * time.Minute:  "5 min ago",
		3 * time.Hour:    "3 h ago",
		47 * time.Hour:   "47 h ago",
		72 * time.Hour:   "3 days ago",
	} {
		if got := lastActive(client.Session{LastActive: now.Add(-ago)}, now); got != want {
			t.Errorf("%v ago is %q, want %q", ago, got, want)
		}
	}
}

func TestPlainIsFitForATerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Till 3":                      "Till 3",
		"Caf\u00e9 \u6771 \U0001F642": "Caf\u00e9 \u6771 \U0001F642",
		"\x1b[2Jgone":                 "·[2Jgone",
		"two\nlines\tone":             "two·lines·one",
		"txt.\u202eexe":               "txt.·exe",
		"a\u00a0b\u2028c":             "a·b·c",
		"\xff broken":                 "\uFFFD broken",
		"zero\u200bwidth\x7f":         "zero·width·",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestEndedSaysWhatHappened(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"ended":0}`:                        "nothing to end: it had ended before\n",
		`{"ended":1}`:                        "ended 1 session\n",
		`{"ended":2,"gateways":{"total":0}}`: "ended 2 sessions\nno gateway is running\n",
		`{"ended":1,"gateways":{"total":2,"confirmed":[{},{}],"slowest_ms":12.4}}`: "ended 1 session\n" +
			"2 of 2 gateways confirmed, the slowest after 12 ms\n",
		`{"ended":1,"gateways":{"total":2,"confirmed":[{}],"slowest_ms":3,"missing":[{"gateway":"x","name":"Harbour"}]}}`: "ended 1 session\n" +
			"1 of 2 gateways confirmed, the slowest after 3 ms; no answer from Harbour\n",
	} {
		var ended client.Ended
		if err := json.Unmarshal([]byte(answer), &ended); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := writeEnded(&out, ended, false); err != nil || out.String() != want {
			t.Errorf("%s is said as %q, want %q", answer, out.String(), want)
		}
	}
}

func TestDeviceTextLeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for want, session := range map[string]client.Session{
		"unknown": {Device: client.Device{Type: "unknown"}},
		"Till 3, WCPOS 1.8.1, iOS, tablet": {DeviceLabel: "Till 3", Device: client.Device{
			Browser: "WCPOS", BrowserVersion: "1.8.1", OS: "iOS", Type: "tablet",
		}},
	} {
		if got := deviceText(session); got != want {
			t.Errorf("deviceText = %q, want %q", got, want)
		}
	}
}

func TestTrustedNetworks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"10.0.0.0/8": "10.0.0.0/8", "192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::1/128"} {
		if got, err := parsePrefix(text); err != nil || got.String() != want {
			t.Errorf("parsePrefix(%q) = %v, %v", text, got, err)
		}
	}
	if _, err := parsePrefix("nearby"); err == nil {
		t.Error("parsePrefix takes a word")
	}
}
