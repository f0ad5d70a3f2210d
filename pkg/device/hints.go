package device

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// hints are the User-Agent Client Hints that matter here. Browsers freeze the
// version of the system, and often the system itself, in the user agent; the
// hints carry what is true.
// See https://wicg.github.io/ua-client-hints/.
type hints struct {
	brands, platform, platformVersion, model, mobile string
}

// newHints picks the hints by name, in any case. When a name occurs twice in
// different case, the one that sorts last counts, whatever the map's order.
func newHints(headers map[string]string) hints {
	var h hints
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		h = h.with(strings.ToLower(name), clean(headers[name], maxHint))
	}
	return h
}

func (h hints) with(name, value string) hints {
	switch name {
	case "sec-ch-ua":
		h.brands = value
	case "sec-ch-ua-platform":
		h.platform = value
	case "sec-ch-ua-platform-version":
		h.platformVersion = value
	case "sec-ch-ua-model":
		h.model = value
	case "sec-ch-ua-mobile":
		h.mobile = value
	}
	return h
}

// refine corrects what the user agent made believe.
func (h hints) refine(d Device) Device {
	if os := hintedOS(unquote(h.platform)); os != "" {
		d = d.withOS(os)
		if v := hintedVersion(os, unquote(h.platformVersion)); v != "" {
			d.OSVersion = v
		}
	}
	d = h.refineBrowser(d)
	d.Type = h.refineType(d)
	return d
}

// refineType believes the model most, then the hint Mobile. The platform alone
// still tells an iPad that calls itself a Macintosh from a desk.
func (h hints) refineType(d Device) Type {
	if t := modelType(unquote(h.model)); t != Unknown {
		return t
	}
	handheld := d.OS == osIOS || d.OS == osAndroid
	switch {
	case h.mobile == "?1":
		return Mobile
	case handheld && (h.mobile == "?0" || d.Type == Desktop):
		return Tablet
	case !handheld && d.OS != "" && (h.mobile == "?0" || h.platform != ""):
		return Desktop
	default:
		return d.Type
	}
}

// refineBrowser names the browsers that pass for Chrome in the user agent.
func (h hints) refineBrowser(d Device) Device {
	name, version := h.brand()
	if name == "" {
		return d
	}
	pretends := strings.HasPrefix(d.Browser, "Chrome") && !isChrome(name)
	if d.Browser == "" || pretends {
		d.Browser, d.BrowserVersion = name, version
	}
	return d
}

// brand returns the most telling entry of the brand list: not the made-up one
// that keeps parsers honest, and Chromium only if nothing else is there.
func (h hints) brand() (name, version string) {
	for entry := range strings.SplitSeq(h.brands, ",") {
		n, v := brandEntry(entry)
		switch {
		case n == "" || isGrease(n):
		case n != "Chromium":
			return n, v
		default:
			name, version = n, v
		}
	}
	return name, version
}

// brandEntry splits `"Google Chrome";v="126"`.
func brandEntry(entry string) (name, version string) {
	entry = strings.TrimSpace(entry)
	end := strings.LastIndex(entry, `";`)
	if end < 1 || entry[0] != '"' {
		return "", ""
	}
	_, version, _ = strings.Cut(entry[end:], "=")
	name = strings.TrimPrefix(entry[1:end], "Google ")
	return strings.TrimPrefix(name, "Microsoft "), unquote(version)
}

func isGrease(brand string) bool {
	return strings.Contains(brand, "Not") && strings.Contains(brand, "Brand")
}

func isChrome(brand string) bool {
	return brand == "Chrome" || brand == "Chromium" || brand == "Android WebView"
}

func hintedOS(platform string) string {
	switch strings.ToLower(platform) {
	case "android":
		return osAndroid
	case "ios", "ipados":
		return osIOS
	case "macos", "mac os x":
		return osMac
	case "windows":
		return osWindows
	case "chrome os", "chromium os", "chromeos":
		return osChrome
	case "linux":
		return osLinux
	default:
		return ""
	}
}

// hintedVersion turns the hint into the version people know. Windows sends the
// version of an API contract there: 13 and up is Windows 11, 1 to 12 is 10.
// See https://learn.microsoft.com/microsoft-edge/web-platform/how-to-detect-win11.
func hintedVersion(os, version string) string {
	if os != osWindows {
		return shortVersion(version)
	}
	major, _, _ := strings.Cut(version, ".")
	contract, err := strconv.Atoi(major)
	switch {
	case err != nil || contract < 1:
		return ""
	case contract >= 13:
		return "11"
	default:
		return "10"
	}
}

// unquote takes the quotes from a structured header's string.
func unquote(s string) string {
	return strings.Trim(strings.TrimSpace(s), `"`)
}
