package device

import (
	"crypto/sha256"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/ua-parser/uap-go/uaparser"
)

// Version names the rules of this package and, after the plus sign, the regular
// expressions of uap-go (the start of their SHA-256). It changes whenever a
// result may change, so results kept with another Version are parsed anew.
const Version = "1+uap.f78bd2e9"

const defaultSize = 16384

// Parser turns what is known of a session's device into a Device and remembers
// the latest results: a new user agent costs hundreds of regular expressions,
// a known one a hash. Safe for concurrent use; starts no goroutine.
type Parser struct {
	uap   *uaparser.Parser
	cache *lru.Cache[[sha256.Size]byte, Device]
}

// sharedUAP compiles uap-go's expressions once per process. Its own cache
// cannot be turned off, only made small: ours is in front and holds the end
// result. Its Parse is avoided, as it starts three goroutines and matches
// hundreds of device models that nothing here asks for.
var sharedUAP = sync.OnceValue(func() *uaparser.Parser {
	parser, err := uaparser.New(uaparser.WithCacheSize(1))
	if err != nil {
		panic("device: the expressions built into uap-go do not compile: " + err.Error())
	}
	parser.Device = nil
	return parser
})

// NewParser returns a Parser that remembers the latest size results; 0 means
// 16384, about 6 MB when full.
func NewParser(size int) *Parser {
	if size <= 0 {
		size = defaultSize
	}
	cache, err := lru.New[[sha256.Size]byte, Device](size)
	if err != nil {
		panic("device: " + err.Error()) // only for a size below 1
	}
	return &Parser{uap: sharedUAP(), cache: cache}
}

// Parse says what a session runs on. It never fails: what cannot be known is
// empty or Unknown. Only the first MaxUserAgent bytes of userAgent count.
func (p *Parser) Parse(d Declared, userAgent string) Device {
	in := newInput(d, userAgent)
	key := in.sum()
	if known, ok := p.cache.Get(key); ok {
		return known
	}
	result := p.parse(in)
	p.cache.Add(key, result)
	return result
}

// parse starts with the least trusted evidence and lets the better correct it.
func (p *Parser) parse(in input) Device {
	d := p.guess(in.userAgent)
	d = in.hints.refine(d)
	d = d.withNative(in.userAgent).withElectron(in.userAgent)
	if form := parseAppForm(in.userAgent); form != nil {
		d = form.apply(d, in.appVersion)
	}
	return d.on(platformOf(in.platform)).finished()
}

// guess is what uap-go makes of a user agent. The results are copied, since
// uap-go hands the same pointers to everyone.
func (p *Parser) guess(userAgent string) Device {
	d := Device{Type: Unknown}
	if userAgent == "" {
		return d
	}
	browser, os := p.uap.ParseUserAgent(userAgent), p.uap.ParseOs(userAgent)
	d.Browser, d.BrowserVersion = known(browser.Family), shortVersion(browser.ToVersionString())
	d.OS, d.OSVersion = known(os.Family), shortVersion(os.ToVersionString())
	if d.OS == "Mac OS X" {
		d.OS = osMac
	}
	if isFrozen(userAgent) {
		d.OSVersion = ""
	}
	d.Type = typeOf(userAgent)
	return d
}

func known(family string) string {
	if family == "Other" {
		return ""
	}
	return family
}

// isFrozen recognises the versions that browsers send whatever they run on, to
// tell less about their users. Better no version than an invented one.
// See https://www.chromium.org/updates/ua-reduction/.
func isFrozen(userAgent string) bool {
	for _, placeholder := range [...]string{"Android 10; K)", "Mac OS X 10_15_7)", "Mac OS X 10.15; "} {
		if strings.Contains(userAgent, placeholder) {
			return true
		}
	}
	return false
}

// finished fills in what is never empty, and bounds and copies what a stranger
// wrote: a result that is kept must not keep the request it was cut from.
func (d Device) finished() Device {
	if d.Application == "" {
		d.Application = Web
	}
	for _, text := range [...]*string{&d.Browser, &d.BrowserVersion, &d.OS, &d.OSVersion} {
		*text = strings.Clone(cut(*text, maxDeclared))
	}
	return d
}
