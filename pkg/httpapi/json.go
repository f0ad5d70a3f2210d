package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// maxDepth is how deep JSON may nest: no body needs more than a few levels.
const maxDepth = 32

// maxKey is how much of a repeated key an answer repeats, in bytes.
const maxKey = 64

var (
	errNotUTF8 = errors.New("the body is not valid UTF-8")
	errDepth   = fmt.Errorf("the body nests more than %d levels deep", maxDepth)
)

// jsonFormat is huma's, but it refuses text that encoding/json would repair in
// silence: two different ids must not become one.
var jsonFormat = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errNotUTF8
		}
		if err := json.Unmarshal(data, v); err != nil {
			return err
		}
		return CheckKeys(data)
	},
}

// CheckKeys refuses JSON with an object that has a key twice: of two users
// encoding/json takes the last, and a proxy that looks at the body perhaps the
// first. Keys that differ in case only are the same key to encoding/json, and so
// here. It is for bodies that this package's API does not parse.
func CheckKeys(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // a number beyond float64 is another's to refuse
	var w walk
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.step(token); err != nil {
			return err
		}
	}
}

// walk is the way from the outermost value to where a decoder stands.
type walk []level

// level is an object, with the keys that it had so far, or a list, with nil.
type level struct {
	keys  map[string]struct{}
	value bool // the next token is, or begins, the value of a key
}

func (w *walk) step(token json.Token) error {
	if token == json.Delim('}') || token == json.Delim(']') {
		*w = (*w)[:len(*w)-1]
		return nil
	}
	if err := w.key(token); err != nil {
		return err
	}
	switch {
	case token != json.Delim('{') && token != json.Delim('['):
		return nil
	case len(*w) == maxDepth:
		return errDepth
	case token == json.Delim('{'):
		*w = append(*w, level{keys: map[string]struct{}{}})
	default:
		*w = append(*w, level{})
	}
	return nil
}

// key takes note of a token if it stands where keys do.
func (w *walk) key(token json.Token) error {
	if len(*w) == 0 || (*w)[len(*w)-1].keys == nil {
		return nil
	}
	object := &(*w)[len(*w)-1]
	object.value = !object.value
	name, ok := token.(string)
	if !ok || !object.value {
		return nil
	}
	folded := fold(name)
	if _, repeated := object.keys[folded]; repeated {
		return fmt.Errorf("the key %q stands more than once in one object", strings.ToValidUTF8(name[:min(len(name), maxKey)], ""))
	}
	object.keys[folded] = struct{}{}
	return nil
}

// fold makes equal what strings.EqualFold takes for equal, which is how
// encoding/json finds the field of a key.
func fold(key string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, key)
}
