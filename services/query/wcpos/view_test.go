package wcpos

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/services/query/reads"
)

func TestUserIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"0": "0", "7": "7", "42": "42", "9007199254740991": "9007199254740991",
		"": `""`, "00": `"00"`, "007": `"007"`, "1e3": `"1e3"`, "+5": `"+5"`, "-5": `"-5"`, "5.0": `"5.0"`, "1_000": `"1_000"`,
		"0x10": `"0x10"`, "٤٢": `"٤٢"`, "9007199254740992": `"9007199254740992"`, "18446744073709551617": `"18446744073709551617"`,
		`a"b`: `"a\"b"`, "<b>": `"\u003cb\u003e"`,
	} {
		got, err := json.Marshal(userID(id))
		if err != nil || string(got) != want {
			t.Errorf("%q is written %s, want %s (%v)", id, got, want, err)
		}
	}
}

// An id is written so that it reads back as itself, in whatever language: as a
// number only if a double holds it.
func FuzzUserID(f *testing.F) {
	for _, id := range []string{"42", "007", "1e3", "9007199254740993", "zoë", "\"", "-0"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if !utf8.ValidString(id) {
			return // nobody has such an id
		}
		data, err := json.Marshal(userID(id))
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%q is written %s: %v", id, data, err)
		}
		switch v := back.(type) {
		case string:
			if v != id {
				t.Errorf("%q reads back as %q", id, v)
			}
		case float64:
			if strconv.FormatFloat(v, 'f', -1, 64) != id {
				t.Errorf("%q reads back as %f", id, v)
			}
		default:
			t.Errorf("%q is written %s", id, data)
		}
	})
}

// The words of the plugin for a device; those of posse are another package's.
func TestDeviceInfo(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		device device.Device
		build  string
		want   string
	}{
		"nothing": {device.Device{}, "", `{"device_type":"unknown","browser":"unknown","browser_version":"","os":"unknown","app_type":"web"}`},
		"ios": {
			device.Device{Application: device.IOSApp, Browser: "WCPOS", BrowserVersion: "1.8.1", OS: "iOS", Type: device.Tablet},
			"231",
			`{"device_type":"tablet","browser":"WCPOS","browser_version":"1.8.1","os":"iOS","app_type":"ios_app","build":"231"}`,
		},
		"android": {
			device.Device{Application: device.AndroidApp, Browser: "WCPOS", OS: "Android", Type: device.Mobile},
			"",
			`{"device_type":"mobile","browser":"WCPOS","browser_version":"","os":"Android","app_type":"android_app"}`,
		},
		"desktop": {
			device.Device{Application: device.DesktopApp, Browser: "WCPOS", OS: "Windows", Type: device.Desktop},
			"",
			`{"device_type":"desktop","browser":"WCPOS","browser_version":"","os":"Windows","app_type":"electron_app"}`,
		},
		"web": {
			device.Device{Application: device.Web, Browser: "Firefox", BrowserVersion: "140", OS: "Linux", Type: device.Unknown},
			"",
			`{"device_type":"unknown","browser":"Firefox","browser_version":"140","os":"Linux","app_type":"web"}`,
		},
		"of the future": {
			device.Device{Application: "watch_app", Type: "watch"},
			"",
			`{"device_type":"unknown","browser":"unknown","browser_version":"","os":"unknown","app_type":"web"}`,
		},
	} {
		stored := activesessions.Session{Device: row.device, Build: row.build}
		view := sessionView(&reads.Session{Session: stored})
		got, err := json.Marshal(view.DeviceInfo)
		if err != nil || string(got) != row.want {
			t.Errorf("%s is %s, want %s (%v)", name, got, row.want, err)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for want, at := range map[int64]time.Time{
		0:          {},
		17_724_419: time.Unix(17_724_419, 999_999_999),
		-1:         time.Unix(-1, 0),
	} {
		if got := seconds(at); got != want {
			t.Errorf("%v is %d, want %d", at, got, want)
		}
	}
}

func TestNamesThatAreMissing(t *testing.T) {
	t.Parallel()
	for want, u := range map[[2]string]activesessions.User{
		{"anna", "Anna"}: {ID: "1", Username: "anna", DisplayName: "Anna"},
		{"anna", "anna"}: {ID: "1", Username: "anna"},
		{"1", "Anna"}:    {ID: "1", DisplayName: "Anna"},
		{"1", "1"}:       {ID: "1"},
	} {
		view := userView(&reads.User{User: u}, make([]reads.Session, 1))
		if got := [2]string{view.Username, view.DisplayName}; got != want {
			t.Errorf("%+v goes by %v, want %v", u, got, want)
		}
	}
}

// Who is forgotten goes by their id, on a device that nobody knows.
func TestAForgottenUser(t *testing.T) {
	t.Parallel()
	row := reads.Session{Session: activesessions.Session{LoginSequence: 1, First: 1, Forgotten: true, Platform: "ios", Build: "231"}}
	got := userView(&reads.User{User: activesessions.User{ID: "carl"}}, []reads.Session{row})
	if got.Username != "carl" || got.DisplayName != "carl" || got.AvatarURL != "" {
		t.Errorf("a forgotten user is %+v, want carl", got)
	}
	if s := got.Sessions[0]; s.IPAddress != "" || s.UserAgent != "" || s.DeviceInfo.Browser != unknown || s.DeviceInfo.DeviceType != unknown {
		t.Errorf("a forgotten session is %+v", s)
	}
}
