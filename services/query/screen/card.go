package screen

import (
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/services/query/reads"
)

// card is one session.
type card struct {
	reads.Session

	LastActive, Created, Expires instant
	EndURL                       string // where to end it; "" if nobody can
	Ending                       *ending
}

// cardOf is a card with what its template needs of the pane.
type cardOf struct {
	card

	Late int
	Past bool
}

func cardIn(p *sessionsPane, c card) *cardOf {
	return &cardOf{card: c, Late: p.Late, Past: p.Place.Past()}
}

// ID is the session's.
func (c *card) ID() string { return c.Session.Session.Session }

// Key names the session in the page.
func (c *card) Key() string { return key(c.User + "\x00" + c.ID()) }

// Application is what the session runs in, as a text's id.
func (c *card) Application() string {
	switch c.Device.Application {
	case device.IOSApp, device.AndroidApp, device.DesktopApp, device.Web:
		return "application." + string(c.Device.Application)
	default:
		return "application." + string(device.Web)
	}
}

// Icon is that of the device.
func (c *card) Icon() string {
	if c.Device.Type != device.Unknown && c.Device.Type != "" {
		return string(c.Device.Type)
	}
	switch c.Device.Application {
	case device.IOSApp, device.AndroidApp:
		return string(device.Mobile)
	case device.DesktopApp:
		return string(device.Desktop)
	case device.Web:
		return "web"
	default:
		return "unknown"
	}
}

// Program is the browser or app, with its version.
func (c *card) Program() string { return join(c.Device.Browser, c.Device.BrowserVersion) }

// System is the operating system, with its version.
func (c *card) System() string { return join(c.Device.OS, c.Device.OSVersion) }

func join(name, version string) string {
	if name == "" || version == "" {
		return name
	}
	return name + " " + version
}
