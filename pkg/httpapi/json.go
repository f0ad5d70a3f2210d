package httpapi

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

var errNotUTF8 = errors.New("the body is not valid UTF-8")

// jsonFormat is huma's, but it refuses text that encoding/json would repair in
// silence: two different ids must not become one.
var jsonFormat = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errNotUTF8
		}
		return json.Unmarshal(data, v)
	},
}
