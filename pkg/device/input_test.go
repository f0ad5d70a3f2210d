package device_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/posse-pos/posse/pkg/device"
)

func TestOnlyTheFirst512BytesCount(t *testing.T) {
	t.Parallel()
	parser := device.NewParser(16)
	long := strings.Repeat("x", device.MaxUserAgent-1) + "é WCPOS/1.8.1 (ios)"
	if got := parser.Parse(device.Declared{}, long); got.Application != device.Web {
		t.Errorf("a rule saw what lies beyond %d bytes: %+v", device.MaxUserAgent, got)
	}
	cut := long[:device.MaxUserAgent-1]
	if device.Hash(device.Declared{}, long) != device.Hash(device.Declared{}, cut) {
		t.Error("the cut does not fall before the character that does not fit")
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := device.Hash(device.Declared{Platform: "ios", AppVersion: "1.8.1"}, "agent")
	tests := map[string]struct {
		declared  device.Declared
		userAgent string
		same      bool
	}{
		"another build":          {device.Declared{Platform: "ios", AppVersion: "1.8.1", Build: "231"}, "agent", true},
		"platform in upper case": {device.Declared{Platform: "iOS", AppVersion: "1.8.1"}, "agent", true},
		"hint without meaning":   {device.Declared{Platform: "ios", AppVersion: "1.8.1", ClientHints: map[string]string{"DPR": "2"}}, "agent", true},
		"control characters":     {device.Declared{Platform: "ios", AppVersion: "1.8.1"}, "age\x00nt\n", true},
		"another version":        {device.Declared{Platform: "ios", AppVersion: "1.8.2"}, "agent", false},
		"another user agent":     {device.Declared{Platform: "ios", AppVersion: "1.8.1"}, "agents", false},
		"a field moved over":     {device.Declared{Platform: "ios1.8.1"}, "agent", false},
		"a hint that counts":     {device.Declared{Platform: "ios", AppVersion: "1.8.1", ClientHints: map[string]string{"Sec-CH-UA-Model": "iPad"}}, "agent", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if same := device.Hash(test.declared, test.userAgent) == base; same != test.same {
				t.Errorf("same hash: %t, want %t", same, test.same)
			}
		})
	}
}

func TestHashIsStable(t *testing.T) {
	t.Parallel()
	const want = "e3ddc5c7b0da95267a66d2aeb46dd2c0b03b2c552e24bb9804c2979667f2b5ad"
	declared := device.Declared{Platform: "ios", AppVersion: "1.8.1", ClientHints: map[string]string{"sec-ch-ua-model": `"iPad"`}}
	if got := device.Hash(declared, "WCPOS/1.8.1 (ios; build 231)"); got != want {
		t.Errorf("Hash = %s, want %s: results that are kept would never be found again", got, want)
	}
}

func TestHintNamesInAnyCase(t *testing.T) {
	t.Parallel()
	parser := device.NewParser(16)
	for range 20 {
		got := parser.Parse(device.Declared{ClientHints: map[string]string{
			"SEC-CH-UA-PLATFORM": `"Windows"`, "sec-ch-ua-platform": `"Android"`,
		}}, "")
		if got.OS != "Android" {
			t.Fatalf("OS = %q, want that of the name that sorts last", got.OS)
		}
	}
}

func TestConcurrentParse(t *testing.T) {
	t.Parallel()
	parser, agents := device.NewParser(8), readAgents(t)
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := range agents {
				a := agents[(i*7+worker)%len(agents)]
				if got := parser.Parse(a.declared, a.userAgent); got != a.want {
					t.Errorf("%q: got %+v, want %+v", a.userAgent, got, a.want)
				}
			}
		})
	}
	workers.Wait()
}

func FuzzParse(f *testing.F) {
	for _, a := range readAgents(f) {
		f.Add(a.declared.Platform, a.declared.AppVersion, a.declared.ClientHints["Sec-CH-UA"], a.declared.ClientHints["Sec-CH-UA-Platform"], a.userAgent)
	}
	f.Add("ios", "\xff", `";v=`, "\x00", strings.Repeat("é", 400))
	f.Fuzz(func(t *testing.T, platform, version, brands, hinted, userAgent string) {
		declared := device.Declared{Platform: platform, AppVersion: version, ClientHints: map[string]string{
			"Sec-CH-UA": brands, "Sec-CH-UA-Platform": hinted, "Sec-CH-UA-Model": hinted,
		}}
		first := device.NewParser(1).Parse(declared, userAgent)
		if again := device.NewParser(1).Parse(declared, userAgent); again != first {
			t.Errorf("parsed twice: %+v and %+v", first, again)
		}
		checkResult(t, first)
		if hash := device.Hash(declared, userAgent); len(hash) != 64 {
			t.Errorf("Hash = %q", hash)
		}
	})
}

func checkResult(t *testing.T, d device.Device) {
	t.Helper()
	switch d.Application {
	case device.IOSApp, device.AndroidApp, device.DesktopApp, device.Web:
	default:
		t.Errorf("Application = %q", d.Application)
	}
	switch d.Type {
	case device.Mobile, device.Tablet, device.Desktop, device.Unknown:
	default:
		t.Errorf("Type = %q", d.Type)
	}
	for _, text := range []string{d.Browser, d.BrowserVersion, d.OS, d.OSVersion} {
		if len(text) > 64 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\n\x1b") {
			t.Errorf("a result that is no short text: %q", text)
		}
	}
}
