package tokens

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	strict "github.com/go-jose/go-jose/v4/json"

	"github.com/posse-pos/posse/events"
)

// Claims is what a good token says.
type Claims struct {
	Tenant, User, Session string
	// Type is empty if the configuration does not say where it is.
	Type  string
	Roles []string
	// Expires is the token's end, IssuedAt its beginning (zero if it does not say);
	// both in UTC, to the millisecond.
	Expires, IssuedAt time.Time
	// KeyID names the key that signed; empty if the token does not say.
	KeyID string
}

// object is a JSON object whose members are read when they are asked for.
type object map[string]strict.RawMessage

// parseObject refuses what readers understand differently: a member that occurs
// twice, and anything after the object.
func parseObject(data []byte) (object, error) {
	o := make(object, usualClaims)
	if err := strict.Unmarshal(data, &o); err != nil || o == nil {
		return nil, fmt.Errorf("%w: the claims are no JSON object", ErrMalformed)
	}
	return o, nil
}

// usualClaims is how many members a token usually has, so that the map need not
// grow.
const usualClaims = 14

// find follows a path of member names joined by dots.
func (o object) find(path string) (strict.RawMessage, bool) {
	if value, ok := o[path]; ok {
		return value, true
	}
	name, rest, nested := strings.Cut(path, ".")
	value, ok := o[name]
	if !ok || !nested {
		return nil, false
	}
	inner, err := parseObject(value)
	if err != nil {
		return nil, false
	}
	return inner.find(rest)
}

// text returns a string, or a whole number as its digits.
func (o object) text(path string) (string, error) {
	value, ok := o.find(path)
	if !ok {
		return "", fmt.Errorf("%w: %s is missing", ErrClaims, path)
	}
	if isWhole(value) {
		return string(value), nil
	}
	text, ok := unquote(value)
	if !ok {
		return "", fmt.Errorf("%w: %s is neither a string nor a whole number", ErrClaims, path)
	}
	return text, nil
}

// unquote reads a JSON string. Nearly all of them are what they look like.
func unquote(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	return text, json.Unmarshal(value, &text) == nil
}

func isWhole(value []byte) bool {
	digits := bytes.TrimPrefix(value, []byte("-"))
	return len(digits) > 0 && bytes.Trim(digits, "0123456789") == nil
}

// id returns a text that can name something in posse.
func (o object) id(field, path string) (string, error) {
	id, err := o.text(path)
	if err != nil {
		return "", err
	}
	if err := events.ValidateID(field, id); err != nil {
		return "", fmt.Errorf("%w: %s has %d bytes and cannot be a %s", ErrClaims, path, len(id), field)
	}
	return id, nil
}

// names returns an array of strings, or a string of names between spaces (as
// the scope of OAuth 2.0 is written). No such member means no names.
func (o object) names(path string) ([]string, error) {
	value, ok := o.find(path)
	if !ok || string(value) == "null" {
		return nil, nil
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return list, nil
	}
	if text, ok := unquote(value); ok {
		return strings.Fields(text), nil
	}
	return nil, fmt.Errorf("%w: %s is no list of names", ErrClaims, path)
}

// moment returns a NumericDate (RFC 7519 §2); the zero time if there is none.
func (o object) moment(name string) (time.Time, error) {
	value, ok := o[name]
	if !ok {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil || math.Abs(seconds) > maxSeconds {
		return time.Time{}, fmt.Errorf("%w: %s is no number of seconds since 1970", ErrClaims, name)
	}
	return time.UnixMilli(int64(math.Floor(seconds * 1000))).UTC(), nil
}

// maxSeconds is the end of the year 9999, the last that RFC 3339 can write.
const maxSeconds = 253402300799
