package device

import (
	"regexp"
	"strings"
)

// androidModel finds the model that Android browsers send, as in
// (Linux; Android 11; V2s_STGL Build/RQ3A; wv).
var androidModel = regexp.MustCompile(`Android[^;)]{0,16};(?: [a-z]{2}[-_][A-Za-z]{2};)? ?([^;)]{1,64}?)(?: Build/[^;)]*)?(?:; ?wv)?\)`)

// POS terminals run Android, and whether their browsers say Mobile has nothing
// to do with their size. The models of Sunmi, PAX, Clover and iMin by what they
// are: held in a hand, or standing on a counter.
var (
	handheldTerminal = regexp.MustCompile(`(?i)^(?:` +
		`(?:sunmi[ _-]?)?(?:v[123]s?|p[123]|l[23]s?|m2)(?:[ _-]?(?:pro|lite|plus|max|mix|se|k|eea|stgl|g))*` +
		`|(?:pax[ _-]?)?(?:a(?:35|50|60|77|80|8[79]00|9[123]0|6650)|im30|m[35]0)(?:s|pro|max|rtx)?` +
		`|(?:clover[ _-]?)?(?:c[24]\d\d[a-z]?|flex(?: \d)?)` +
		`|(?:imin[ _-]?)?(?:m[23]-\w{1,8}|i2\dm\d\d|swift(?: \d)?)` +
		`)$`)
	counterTerminal = regexp.MustCompile(`(?i)^(?:` +
		`(?:sunmi[ _-]?)?(?:t[123]|d[23]s?|s2|k[12])(?:[ _-]?(?:mini|lite|pro|plus|s|d|g|v))*` +
		`|(?:pax[ _-]?)?(?:e[5678]00|elys|aries ?[68])(?:m|mini|s)?` +
		`|(?:clover[ _-]?)?(?:c[135]\d\d[a-z]?|station(?: (?:solo|duo|pro|\d))?|mini(?: \d)?)` +
		`|(?:imin[ _-]?)?(?:[dsrk][1-4]-\w{1,8}|i2\d[tdk]\d\d|falcon(?: \d)?|crane(?: \d)?)` +
		`)$`)
)

// modelType knows the size of a device by its model.
func modelType(model string) Type {
	switch {
	case model == "":
		return Unknown
	case strings.HasPrefix(model, "iPad"):
		return Tablet
	case strings.HasPrefix(model, "iPhone"), strings.HasPrefix(model, "iPod"):
		return Mobile
	case handheldTerminal.MatchString(model):
		return Mobile
	case counterTerminal.MatchString(model):
		return Tablet
	default:
		return Unknown
	}
}

// typeOf reads the size of a device from its user agent.
func typeOf(userAgent string) Type {
	has := func(part string) bool { return strings.Contains(userAgent, part) }
	switch {
	case has("iPad"):
		return Tablet
	case has("iPhone"), has("iPod"), has("Windows Phone"):
		return Mobile
	case has("Android"):
		return androidType(userAgent)
	case has("Windows NT"), has("Macintosh"), has("X11;"), has("CrOS"):
		return Desktop
	case has("Tablet"), has("PlayBook"), has("Kindle"):
		return Tablet
	case has("Mobile"):
		return Mobile
	default:
		return Unknown
	}
}

// androidType goes by the model where it is known, else by the word Mobile,
// which browsers on tablets leave out. Outside a browser its absence tells
// nothing.
// See https://developer.chrome.com/docs/multidevice/user-agent.
func androidType(userAgent string) Type {
	if m := androidModel.FindStringSubmatch(userAgent); m != nil {
		if t := modelType(strings.TrimSpace(m[1])); t != Unknown {
			return t
		}
	}
	has := func(part string) bool { return strings.Contains(userAgent, part) }
	switch {
	case has("Mobile"):
		return Mobile
	case has(" TV"), has("BRAVIA"):
		return Unknown
	case has("Mozilla/"), has("Tablet"):
		return Tablet
	default:
		return Unknown
	}
}
