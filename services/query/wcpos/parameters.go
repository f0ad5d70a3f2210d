package wcpos

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/posse-pos/posse/events"
)

// The parameters' names on the wire.
const (
	paramUser          = "user_id"
	paramSession       = "jti"
	paramExceptCurrent = "except_current"
)

// parameter is what WordPress says of one in the answer to OPTIONS. A user's id
// is declared an integer there; posse takes any id.
type parameter struct {
	Type     string `json:"type"`
	Required bool   `json:"required"`
}

// parameters are those that an endpoint knows. Clients send others, such as
// _locale and wcpos, which mean nothing here.
type parameters map[string]parameter

// given is what a request asks for.
type given struct {
	user          string // "" for nobody in particular
	session       string
	exceptCurrent bool
}

// read takes the parameters from the path, the query and the body. A parameter
// that is not as it must be is refused rather than ignored, and so is one with
// two different values: whoever asked to keep a session must not lose it to a
// misprint.
func (p parameters) read(w http.ResponseWriter, r *http.Request) (given, error) {
	sent, err := collect(w, r)
	if err != nil {
		return given{}, err
	}
	if missing := p.missing(sent); len(missing) > 0 {
		return given{}, missingParameters(missing)
	}
	var (
		g       given
		invalid = map[string]string{}
	)
	for name := range p {
		if len(sent[name]) > 0 && !g.set(name, sent[name]) {
			invalid[name] = expectations[name]
		}
	}
	if len(invalid) > 0 {
		return given{}, invalidParameters(invalid)
	}
	return g, nil
}

// missing names the required parameters that were not sent.
func (p parameters) missing(sent map[string][]any) []string {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name].Required && len(sent[name]) == 0 {
			missing = append(missing, name)
		}
	}
	return missing
}

// expectations say of each parameter what it must be.
var expectations = map[string]string{
	paramUser:          "must be the id of one user.",
	paramSession:       "must be the id of one session.",
	paramExceptCurrent: "must be true or false.",
}

// set reports whether the values of a parameter are one acceptable value.
func (g *given) set(name string, values []any) (ok bool) {
	switch name {
	case paramUser:
		g.user, ok = single(values, idOf)
	case paramSession:
		g.session, ok = single(values, idOf)
	case paramExceptCurrent:
		g.exceptCurrent, ok = single(values, flagOf)
	}
	return ok
}

// single reads values that must all mean the same.
func single[T comparable](values []any, read func(any) (T, bool)) (value T, ok bool) {
	for i, v := range values {
		next, ok := read(v)
		if !ok || i > 0 && next != value {
			return value, false
		}
		value = next
	}
	return value, true
}

// idOf reads an id: text, or a number in JSON that a user's id may be.
func idOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, events.ValidateID("id", v) == nil
	case json.Number:
		return v.String(), isNumeric(v.String())
	default:
		return "", false
	}
}

// flagOf reads what WordPress takes for a boolean.
func flagOf(value any) (flag, ok bool) {
	var text string
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		text = v
	case json.Number:
		text = v.String()
	}
	switch strings.ToLower(text) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	default:
		return false, false
	}
}
