package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrMalformed says that a message is not a posse event: a header is missing,
// doubled or not of its form, or the payload contradicts the subject or is not
// the JSON of its type. Such a message belongs in quarantine.
var ErrMalformed = errors.New("events: malformed message")

// Decoder reads messages. The zero Decoder is ready.
type Decoder struct {
	// Unmarshal reads JSON by the rules of encoding/json. nil means json.Unmarshal;
	// who reads whole histories may know a faster one.
	Unmarshal func(data []byte, into any) error
}

// Decode is that of the zero Decoder.
func Decode(m Message) (Envelope, error) { return Decoder{}.Decode(m) }

// Decode reads a message of POS_SESSIONS or POS_TOUCHES. Older versions of a
// type are brought up to today's Go type; an unknown type or version is
// returned whole as Unknown. An error wraps ErrMalformed.
func (d Decoder) Decode(m Message) (Envelope, error) {
	envelope, err := d.decode(m)
	if err != nil {
		return Envelope{}, fmt.Errorf("%w on %.200q: %w", ErrMalformed, m.Subject, err)
	}
	return envelope, nil
}

func (d Decoder) decode(m Message) (Envelope, error) {
	route, err := parseSubject(m.Subject)
	if err != nil {
		return Envelope{}, err
	}
	attributes, err := parseHeader(m.Header)
	if err != nil {
		return Envelope{}, err
	}
	event, err := d.event(attributes.kind, attributes.version, m, route)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{ID: attributes.id, Source: attributes.source, Time: attributes.time, Event: event}, nil
}

func (d Decoder) event(t Type, version int, m Message, route Key) (Event, error) {
	upcast, known := decoders[versionedType(t, version)]
	if !known {
		return Unknown{Key: unknownKey(m, route), Type: t, Version: version, Message: m}, nil
	}
	event, err := upcast(d.unmarshal, m.Data)
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", versionedType(t, version), err)
	}
	return event, checkRoute(event, route, strings.HasPrefix(m.Subject, touchPrefix))
}

func (d Decoder) unmarshal(data []byte, into any) error {
	if d.Unmarshal == nil {
		return json.Unmarshal(data, into)
	}
	return d.Unmarshal(data, into)
}

// checkRoute holds a payload to its subject: the subject is what the server
// checked permissions on, so a payload may not speak for somebody else.
func checkRoute(e Event, route Key, touch bool) error {
	if err := validateKey(e); err != nil {
		return err
	}
	key := e.SessionKey()
	if touch != (e.EventType() == TypeTouched) {
		return fmt.Errorf("%s does not belong on this subject", e.EventType())
	}
	if key.Tenant != route.Tenant || key.User != route.User || touch && key.Session != route.Session {
		return errors.New("payload names another tenant, user or session than the subject")
	}
	return nil
}

// unknownKey takes the session from the payload if it has one, by the rule that
// every fact of this contract follows.
func unknownKey(m Message, route Key) Key {
	var payload struct {
		Session string `json:"session"`
	}
	if route.Session == "" && json.Unmarshal(m.Data, &payload) == nil {
		route.Session = payload.Session
	}
	return route
}

// decoders holds every version of every type ever published. An old version's
// decoder reads its own struct and returns today's.
var decoders = map[string]func(unmarshal func([]byte, any) error, data []byte) (Event, error){
	"session.logged_in.v1": decodeAs[LoggedIn],
	"session.refreshed.v1": decodeAs[Refreshed],
	"session.touched.v1":   decodeAs[Touched],
	"session.revoked.v1":   decodeAs[Revoked],
	"user.forgotten.v1":    decodeAs[Forgotten],
}

func decodeAs[E Event](unmarshal func([]byte, any) error, data []byte) (Event, error) {
	var event E
	if err := unmarshal(data, &event); err != nil {
		return nil, err
	}
	return event, nil
}

type attributes struct {
	id, source string
	kind       Type
	version    int
	time       time.Time
}

func parseHeader(header map[string][]string) (attributes, error) {
	var a attributes
	var spec, typ, at string
	if err := errors.Join(
		single(header, HeaderSpecVersion, &spec),
		single(header, HeaderID, &a.id),
		single(header, HeaderType, &typ),
		single(header, HeaderSource, &a.source),
		single(header, HeaderTime, &at),
	); err != nil {
		return a, err
	}
	if spec != specVersion {
		return a, fmt.Errorf("%s is %.40q, want %q", HeaderSpecVersion, spec, specVersion)
	}
	if err := validateMessageID(a.id); err != nil {
		return a, err
	}
	var err error
	if a.kind, a.version, err = parseType(typ); err != nil {
		return a, err
	}
	if a.time, err = time.Parse(time.RFC3339, at); err != nil {
		return a, fmt.Errorf("%s: %w", HeaderTime, err)
	}
	a.time = a.time.UTC()
	return a, nil
}

// single demands exactly one value: a doubled header has two meanings.
func single(header map[string][]string, name string, into *string) error {
	values := header[name]
	if len(values) != 1 {
		return fmt.Errorf("header %s occurs %d times, want once", name, len(values))
	}
	*into = values[0]
	return nil
}

func parseType(s string) (Type, int, error) {
	i := strings.LastIndex(s, ".v")
	if i <= 0 || len(s) > MaxID {
		return "", 0, fmt.Errorf("%s %.140q is not of the form name.v1", HeaderType, s)
	}
	version, err := strconv.Atoi(s[i+2:])
	if err != nil || version < 1 || s[i+2:] != strconv.Itoa(version) {
		return "", 0, fmt.Errorf("%s %q has no version of the form .v1", HeaderType, s)
	}
	return Type(s[:i]), version, nil
}

// validateMessageID keeps ids to what a header can carry unchanged.
func validateMessageID(id string) error {
	if id == "" || len(id) > MaxID {
		return fmt.Errorf("%w: event id has %d bytes, want 1 to %d", ErrInvalidID, len(id), MaxID)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("%w: event id %q is not printable ASCII without spaces", ErrInvalidID, id)
		}
	}
	return nil
}
