package wcpos

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/pkg/httpapi"
)

// bodyTime is how long a client may take to send its body.
const bodyTime = 10 * time.Second

// nested stands for a value that is a list or an object: nothing here is.
type nested struct{}

// collect gathers every value that a request gives to each parameter.
func collect(w http.ResponseWriter, r *http.Request) (map[string][]any, error) {
	sent := map[string][]any{}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newError(http.StatusBadRequest, codeInvalidParameter, "The query of the URL is malformed.")
	}
	addValues(sent, query)
	if session := pathValue(r, paramSession); session != "" {
		sent[paramSession] = append(sent[paramSession], session)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return sent, nil
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return sent, addBody(sent, r.Header.Get("Content-Type"), body)
}

// addValues takes PHP's name[] and name[key] for what they are there: a list,
// under the name.
func addValues(sent map[string][]any, values url.Values) {
	for name, list := range values {
		name, _, isList := strings.Cut(name, "[")
		for _, value := range list {
			if isList {
				sent[name] = append(sent[name], nested{})
			} else {
				sent[name] = append(sent[name], value)
			}
		}
	}
}

// pathValue returns a part of the path as its sender meant it. The router sees
// the escaped path where that is not the obvious one.
func pathValue(r *http.Request, name string) string {
	value := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return value
	}
	plain, _ := url.PathUnescape(value) // the path of a parsed URL is well escaped
	return plain
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(bodyTime)) // fails where there are no deadlines
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, httpapi.MaxBody))
	if err == nil {
		_ = connection.SetReadDeadline(time.Time{})
		return body, nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, newError(http.StatusRequestEntityTooLarge, codeTooLarge, "The body is too large.")
	}
	return nil, newError(http.StatusBadRequest, codeInvalidParameter, "The body did not arrive.")
}

// addBody understands the bodies that WordPress does: JSON, and forms, which it
// also takes a body of no stated type for.
func addBody(sent map[string][]any, contentType string, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	media, _, _ := mime.ParseMediaType(contentType)
	switch {
	case media == "application/json":
		return addJSON(sent, body)
	case media != "" && media != "application/x-www-form-urlencoded":
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return newError(http.StatusBadRequest, codeInvalidParameter, "The body is a malformed form.")
	}
	addValues(sent, form)
	return nil
}

func addJSON(sent map[string][]any, body []byte) error {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if !utf8.Valid(body) || !json.Valid(body) || decoder.Decode(&fields) != nil || httpapi.CheckKeys(body) != nil {
		return newError(http.StatusBadRequest, codeInvalidJSON, "The body is not a JSON object with every key once.")
	}
	for name, value := range fields {
		switch value.(type) {
		case nil: // as if it were not there
		case map[string]any, []any:
			sent[name] = append(sent[name], nested{})
		default:
			sent[name] = append(sent[name], value)
		}
	}
	return nil
}
