package wcpos

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/services/query/reads"
)

// unknown is what the plugin says of a device it knows nothing of.
const unknown = "unknown"

// maxNumber is the greatest integer that every reader of JSON keeps exactly
// (RFC 8259 §6).
const maxNumber = 1<<53 - 1

// userID is a user's id. It is a number in JSON if it is one in its shortest
// form, as all ids of the plugin are; any other stays what it is.
type userID string

// MarshalJSON writes a number or a string.
func (id userID) MarshalJSON() ([]byte, error) {
	if isNumeric(string(id)) {
		return []byte(id), nil
	}
	return json.Marshal(string(id))
}

func isNumeric(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	return err == nil && n <= maxNumber && strconv.FormatUint(n, 10) == id
}

// user is somebody with at least one active session.
type user struct {
	UserID       userID    `json:"user_id"`
	Username     string    `json:"username"`
	DisplayName  string    `json:"display_name"`
	AvatarURL    string    `json:"avatar_url"`
	SessionCount int       `json:"session_count"`
	LastActive   int64     `json:"last_active"`
	Sessions     []session `json:"sessions"`
}

// session is an active session. Times are in seconds since 1970.
type session struct {
	JTI        string     `json:"jti"`
	Created    int64      `json:"created"`
	LastActive int64      `json:"last_active"`
	Expires    int64      `json:"expires"`
	IPAddress  string     `json:"ip_address"`
	UserAgent  string     `json:"user_agent"`
	DeviceInfo deviceInfo `json:"device_info"`
	IsCurrent  bool       `json:"is_current"`
}

// deviceInfo says what a session runs on. The version is empty where the plugin
// does not know it, everything else "unknown".
type deviceInfo struct {
	DeviceType     string `json:"device_type"`
	Browser        string `json:"browser"`
	BrowserVersion string `json:"browser_version"`
	OS             string `json:"os"`
	AppType        string `json:"app_type"`
	Build          string `json:"build,omitempty"`
}

// userView is a user as their sessions show them; there is at least one. Nobody
// is without a name in WordPress, so who has none here goes by their id.
func userView(u *reads.User, rows []reads.Session) user {
	sessions := sessionViews(rows)
	return user{
		UserID: userID(u.ID), AvatarURL: u.AvatarURL,
		Username: cmp.Or(u.Username, u.ID), DisplayName: cmp.Or(u.DisplayName, u.Username, u.ID),
		SessionCount: len(sessions), LastActive: sessions[0].LastActive, Sessions: sessions,
	}
}

func sessionViews(rows []reads.Session) []session {
	views := make([]session, len(rows))
	for i := range rows {
		views[i] = sessionView(&rows[i])
	}
	return views
}

func sessionView(s *reads.Session) session {
	return session{
		JTI:        s.Session.Session,
		Created:    seconds(s.Created),
		LastActive: seconds(s.LastActive),
		Expires:    seconds(s.Expires),
		IPAddress:  s.IP,
		UserAgent:  s.UserAgent,
		DeviceInfo: deviceInfo{
			DeviceType:     deviceType(s.Device.Type),
			Browser:        cmp.Or(s.Device.Browser, unknown),
			BrowserVersion: s.Device.BrowserVersion,
			OS:             cmp.Or(s.Device.OS, unknown),
			AppType:        appType(s.Device.Application),
			Build:          s.Build,
		},
		IsCurrent: s.IsCurrent,
	}
}

// seconds is 0 for a time that is not known.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func deviceType(t device.Type) string {
	switch t {
	case device.Mobile, device.Tablet, device.Desktop:
		return string(t)
	default:
		return unknown
	}
}

// appType differs from posse's word for the desktop app alone. Whatever is no
// app is the web, as in the plugin.
func appType(a device.Application) string {
	switch a {
	case device.IOSApp, device.AndroidApp:
		return string(a)
	case device.DesktopApp:
		return "electron_app"
	default:
		return string(device.Web)
	}
}
