package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/posse-pos/posse/pkg/httpapi"
)

func TestCheckKeys(t *testing.T) {
	t.Parallel()
	deep := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	cases := map[string]string{
		`{"user":"7","session":"user","roles":["user","user"]}`: "",
		`{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}],"x":1}`: "",
		`"user"`:                             "",
		`[1e999,{"n":1e999}]`:                "",
		deep(32):                             "",
		``:                                   "",
		`{"user":"7","user":"8"}`:            `"user"`,
		`{"user":"7","u\u0073er":"8"}`:       `"user"`,
		`{"user":"7","USER":"8"}`:            `"USER"`,
		"{\"session\":1,\"\u017fession\":2}": "\"\u017fession\"",
		`{"a":{"b":1,"c":[],"b":{}}}`:        `"b"`,
		`{"a":[{"b":1},{"b":1,"b":2}]}`:      `"b"`,
		`{"a":{"a":{}},"b":[1],"a":null}`:    `"a"`,
		`{"":1,"":2}`:                        `""`,
		deep(33):                             "32 levels",
		`{"` + strings.Repeat("ü", 99) + `":1,"` + strings.Repeat("ü", 99) + `":1}`: `"` + strings.Repeat("ü", 32) + `"`,
	}
	for body, want := range cases {
		err := httpapi.CheckKeys([]byte(body))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("CheckKeys(%s) = %v, want %q", body, err, want)
		}
	}
}

// FuzzCheckKeys gives every JSON that is an object a key twice.
func FuzzCheckKeys(f *testing.F) {
	for _, body := range []string{`{}`, `{"a":1}`, `{"a":{"b":[{}]},"A":"x"}`, `[{"a":1}]`, `{"\ud800":1}`, `{"x":-1.5e3,"y":null}`} {
		f.Add(body, "key")
	}
	f.Fuzz(func(t *testing.T, body, key string) {
		_ = httpapi.CheckKeys([]byte(body))
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &object) != nil || object == nil {
			return
		}
		name, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		pair := `{` + string(name) + `:` + body + `,` + string(name) + `:0}`
		if err := httpapi.CheckKeys([]byte(pair)); err == nil {
			t.Errorf("%s is accepted", pair)
		}
	})
}
