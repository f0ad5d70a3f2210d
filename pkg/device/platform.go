package device

import "strings"

// The systems that rules compare with. Others keep the name uap-go gives them.
const (
	osIOS     = "iOS"
	osAndroid = "Android"
	osMac     = "macOS"
	osWindows = "Windows"
	osChrome  = "Chrome OS"
	osLinux   = "Linux"
)

// platform is what an app says it is built for.
type platform int

const (
	noPlatform platform = iota
	onWeb
	onIOS
	onIPad
	onIPhone
	onAndroid
	onDesktop
	onWindows
	onMac
	onLinux
)

// platformOf understands the words that apps use for their platform, in lower
// case.
func platformOf(word string) platform {
	switch word {
	case "web", "browser", "pwa":
		return onWeb
	case "ios":
		return onIOS
	case "ipad", "ipados":
		return onIPad
	case "iphone":
		return onIPhone
	case "android":
		return onAndroid
	case "electron", "desktop":
		return onDesktop
	case "windows", "win32", "win", "win64":
		return onWindows
	case "macos", "mac", "darwin", "osx":
		return onMac
	case "linux":
		return onLinux
	default:
		return noPlatform
	}
}

// on returns d corrected by the knowledge that its app is built for p.
func (d Device) on(p platform) Device {
	switch p {
	case onWeb:
		d.Application = Web
	case onIOS, onIPad, onIPhone:
		d = d.onIOS(p)
	case onAndroid:
		d.Application = AndroidApp
		d = d.withOS(osAndroid).carried()
	case onDesktop, onWindows, onMac, onLinux:
		d = d.onDesktop(p)
	case noPlatform:
	}
	return d
}

func (d Device) onIOS(p platform) Device {
	d.Application = IOSApp
	d = d.withOS(osIOS).carried()
	switch p {
	case onIPad:
		d.Type = Tablet
	case onIPhone:
		d.Type = Mobile
	default:
	}
	return d
}

func (d Device) onDesktop(p platform) Device {
	d.Application, d.Type = DesktopApp, Desktop
	switch p {
	case onWindows:
		return d.withOS(osWindows)
	case onMac:
		return d.withOS(osMac)
	case onLinux:
		return d.withLinux()
	default:
		return d
	}
}

// carried corrects a device that is known to be carried about but sends a
// desktop's user agent: only tablets do that of their own accord.
func (d Device) carried() Device {
	if d.Type == Desktop {
		d.Type = Tablet
	}
	return d
}

// withOS sets the system, and forgets a version that belonged to another.
func (d Device) withOS(os string) Device {
	if d.OS != os {
		d.OS, d.OSVersion = os, ""
	}
	return d
}

// withLinux keeps the name of a distribution.
func (d Device) withLinux() Device {
	switch d.OS {
	case "", osIOS, osAndroid, osMac, osWindows, osChrome:
		return d.withOS(osLinux)
	default:
		return d
	}
}

// shortVersion drops the zeros that carry nothing: Chrome 126.0.0 is 126.
func shortVersion(v string) string {
	for strings.HasSuffix(v, ".0") {
		v = strings.TrimSuffix(v, ".0")
	}
	return v
}
