package recorder

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/session"
)

const (
	maxRoles          = 32
	maxRole           = 64 // bytes
	maxIdempotencyKey = 255
	maxTouches        = 1000 // in one command
	maxNamedFaults    = 20   // in one answer
	// clockSkew is how far ahead of ours a foreign clock may be.
	clockSkew = 5 * time.Minute
)

// earliest is before any POS: a time before it is a unit mistaken.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// faults collects what is wrong with a command, by field.
type faults []commands.Field

func (f *faults) addf(field, format string, args ...any) {
	*f = append(*f, commands.Field{Name: field, Message: fmt.Sprintf(format, args...)})
}

func (f *faults) id(field, value string) {
	if err := events.ValidateID(field, value); err != nil {
		f.addf(field, "%s", sentenceOf(err))
		return
	}
	f.text(field, value, events.MaxID)
}

// text takes what every store can hold: PostgreSQL's text has no U+0000.
func (f *faults) text(field, value string, most int) {
	switch {
	case len(value) > most:
		f.addf(field, "is %d bytes long, at most %d are allowed", len(value), most)
	case !utf8.ValidString(value):
		f.addf(field, "is not valid UTF-8")
	case strings.ContainsRune(value, 0):
		f.addf(field, "contains the character U+0000")
	}
}

func (f *faults) ip(field, value string) {
	if value == "" {
		return
	}
	if _, err := netip.ParseAddr(value); err != nil || len(value) > maxIP {
		f.addf(field, "is not an IP address")
	}
}

// maxIP is the longest IPv6 address with a zone that anybody needs, in bytes.
const maxIP = 64

func (f *faults) link(field, value string) {
	if value == "" {
		return
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		f.addf(field, "is not an http or https URL")
	}
}

// moment takes a time that has come, or none.
func (f *faults) moment(field string, value, now time.Time) {
	switch {
	case value.IsZero():
	case value.Before(earliest):
		f.addf(field, "lies before %d", earliest.Year())
	case value.After(now.Add(clockSkew)):
		f.addf(field, "lies in the future: it is %s here", now.Format(time.RFC3339))
	}
}

func (f *faults) err() error {
	if len(*f) > maxNamedFaults {
		*f = (*f)[:maxNamedFaults]
	}
	return commands.Invalid(*f...)
}

func checkCaller(c commands.Caller) error {
	var f faults
	if len(c.IdempotencyKey) > maxIdempotencyKey {
		f.addf("header.Idempotency-Key", "is %d bytes long, at most %d are allowed", len(c.IdempotencyKey), maxIdempotencyKey)
	}
	if c.Principal.Kind != principal.Backend && c.Principal.User == "" {
		return commands.NewError(commands.ReasonUnauthenticated, "the command names no user as its caller")
	}
	return f.err()
}

func checkLogin(c commands.Login, now time.Time) error {
	var f faults
	f.id("user", c.User)
	if c.Session != "" {
		f.id("session", c.Session)
	}
	f.text("platform", c.Platform, events.MaxDeclared)
	f.text("app_version", c.AppVersion, events.MaxDeclared)
	f.text("build", c.Build, events.MaxDeclared)
	f.moment("created", c.Created, now)
	checkRoles(&f, c.Roles)
	checkPersonal(&f, c.Personal)
	return f.err()
}

func checkRoles(f *faults, roles []string) {
	if len(roles) > maxRoles {
		f.addf("roles", "are %d, at most %d are allowed", len(roles), maxRoles)
		return
	}
	for i, role := range roles {
		f.text(fmt.Sprintf("roles[%d]", i), role, maxRole)
	}
}

func checkPersonal(f *faults, p events.LoginPersonal) {
	f.text("personal.username", p.Username, events.MaxUsername)
	f.text("personal.display_name", p.DisplayName, events.MaxDisplayName)
	f.text("personal.avatar_url", p.AvatarURL, events.MaxAvatarURL)
	f.link("personal.avatar_url", p.AvatarURL)
	f.text("personal.device_label", p.DeviceLabel, events.MaxDeviceLabel)
	f.text("personal.user_agent", p.UserAgent, events.MaxUserAgent)
	f.ip("personal.ip", p.IP)
	if len(p.ClientHints) > events.MaxClientHints {
		f.addf("personal.client_hints", "are %d, at most %d are allowed", len(p.ClientHints), events.MaxClientHints)
		return
	}
	for name, value := range p.ClientHints {
		f.text("personal.client_hints", name, events.MaxClientHint)
		f.text("personal.client_hints", value, events.MaxClientHint)
	}
}

func checkRefresh(c commands.Refresh) error {
	var f faults
	f.ip("ip", c.IP)
	f.text("user_agent", c.UserAgent, events.MaxUserAgent)
	return f.err()
}

func checkRecordRefresh(c commands.RecordRefresh) error {
	var f faults
	f.id("user", c.User)
	f.id("session", c.Session)
	f.ip("ip", c.IP)
	f.text("user_agent", c.UserAgent, events.MaxUserAgent)
	return f.err()
}

func checkTouches(touches []commands.Touch, now time.Time) error {
	var f faults
	if len(touches) == 0 || len(touches) > maxTouches {
		f.addf("touches", "are %d, 1 to %d are allowed", len(touches), maxTouches)
		return f.err()
	}
	for i, t := range touches {
		f = append(f, checkTouch(fmt.Sprintf("touches[%d].", i), t, now)...)
	}
	return f.err()
}

func checkTouch(prefix string, t commands.Touch, now time.Time) faults {
	var f faults
	f.id("user", t.User)
	f.id("session", t.Session)
	f.moment("at", t.At, now)
	f.ip("ip", t.IP)
	f.text("user_agent", t.UserAgent, events.MaxUserAgent)
	for i := range f {
		f[i].Name = prefix + f[i].Name
	}
	return f
}

func checkReasons(r commands.Reasons) error {
	var f faults
	f.text("reason_admin", r.Admin, events.MaxReason)
	f.text("reason_user", r.User, events.MaxReason)
	return f.err()
}

// sentenceOf is an error without the name of the package that it comes from.
func sentenceOf(err error) string {
	text := err.Error()
	for _, sentinel := range []error{
		events.ErrInvalidID, session.ErrLifetime, session.ErrNotFound, session.ErrExists,
		session.ErrRevoked, session.ErrExpired, session.ErrIdle, session.ErrReuse, session.ErrGeneration,
	} {
		if errors.Is(err, sentinel) {
			_, bare, _ := strings.Cut(sentinel.Error(), ": ")
			return strings.Replace(text, sentinel.Error(), bare, 1)
		}
	}
	return text
}
