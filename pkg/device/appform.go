package device

import (
	"regexp"
	"strings"
)

// appForm is how a POS app names itself: WCPOS/1.8.1 (ios; build 231).
type appForm struct {
	name, version string
	platforms     []platform
}

var (
	// posForm finds the app's name, its version and its remark. The name has to
	// stand alone: a shop's address may well contain it.
	posForm = regexp.MustCompile(`(?i)(?:^|[\s@])(WCPOS|WooCommercePOS)(?:/([0-9a-z][0-9a-z.+-]{0,31}))?(?:\s*\(([^()]{0,200})\)|\s|$)`)
	// electronForm finds Electron, and the app that it names in front of its Chrome.
	electronForm = regexp.MustCompile(`(?:^|\s)(?:([^\s/()]{1,64})/([0-9A-Za-z.+-]{1,32}) Chrome/[0-9.]+ |)Electron/([0-9.]{1,32})`)
)

// parseAppForm returns nil when userAgent is not that of a POS app.
func parseAppForm(userAgent string) *appForm {
	m := posForm.FindStringSubmatch(userAgent)
	if m == nil {
		return nil
	}
	f := &appForm{name: "WCPOS", version: m[2]}
	if strings.EqualFold(m[1], "WooCommercePOS") {
		f.name = "WooCommercePOS"
	}
	// The network library of iOS sends the build where others send the version.
	if strings.Contains(userAgent, " CFNetwork/") {
		f.version = ""
	}
	for remark := range strings.SplitSeq(strings.ToLower(m[3]), ";") {
		word, _, _ := strings.Cut(strings.TrimSpace(remark), " ")
		if p := platformOf(word); p != noPlatform {
			f.platforms = append(f.platforms, p)
		}
	}
	return f
}

// apply lets the app's own word stand above what was guessed from the rest.
func (f *appForm) apply(d Device, appVersion string) Device {
	d.Browser, d.BrowserVersion = f.name, f.version
	if d.BrowserVersion == "" {
		d.BrowserVersion = appVersion
	}
	if len(f.platforms) == 0 {
		return d.asApp()
	}
	d = d.on(f.platforms[0])
	if f.platforms[0] == onDesktop && len(f.platforms) > 1 {
		d = d.onDesktop(f.platforms[1])
	}
	return d
}

// asApp says which app it is that names no platform, from its system.
func (d Device) asApp() Device {
	switch {
	case d.Application != "":
	case d.OS == osIOS:
		d.Application = IOSApp
	case d.OS == osAndroid:
		d.Application = AndroidApp
	case d.Type == Desktop:
		d.Application = DesktopApp
	}
	return d
}

// withElectron recognises every Electron app, by the name it gives itself.
func (d Device) withElectron(userAgent string) Device {
	m := electronForm.FindStringSubmatch(userAgent)
	if m == nil {
		return d
	}
	d.Browser, d.BrowserVersion = "Electron", m[3]
	if m[1] != "" {
		d.Browser, d.BrowserVersion = m[1], m[2]
	}
	return d.onDesktop(onDesktop)
}

// withNative recognises the network libraries of the systems themselves, which
// only an app uses: a browser names its engine.
func (d Device) withNative(userAgent string) Device {
	switch {
	case strings.HasPrefix(userAgent, "okhttp/"), strings.HasPrefix(userAgent, "Dalvik/"):
		d.Application = AndroidApp
		return d.withOS(osAndroid)
	case strings.Contains(userAgent, "; wv)"):
		d.Application = AndroidApp
		return d
	case !strings.HasPrefix(userAgent, "Mozilla/") && strings.Contains(userAgent, " CFNetwork/"):
		return d.asApp()
	default:
		return d
	}
}
