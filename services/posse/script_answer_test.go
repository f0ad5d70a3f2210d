package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// answer is what came back, and to what.
type answer struct {
	request string
	status  int
	header  http.Header
	body    []byte
}

func (a answer) String() string {
	body := a.body
	if len(body) > 2000 {
		body = append(body[:2000:2000], "…"...)
	}
	return fmt.Sprintf("%s\n%d %s", a.request, a.status, body)
}

// cmdStatus: status CODE checks the last answer's status.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	last := sharedOf(ts).last
	if len(args) != 1 || (strconv.Itoa(last.status) == args[0]) == neg {
		ts.Fatalf("status is %d, want %s: %s", last.status, strings.Join(args, " "), last)
	}
}

// cmdJSON: json PATH VALUE checks a field of the last answer; `! json PATH`
// checks that it is not there.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	last := sharedOf(ts).last
	if neg && len(args) == 1 {
		if value, err := last.field(args[0]); err == nil {
			ts.Fatalf("%s is %q, want none: %s", args[0], value, last)
		}
		return
	}
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE or ! json PATH")
	}
	value, err := last.field(args[0])
	if err != nil {
		ts.Fatalf("%v: %s", err, last)
	}
	if (value == args[1]) == neg {
		ts.Fatalf("%s is %q, want %q: %s", args[0], value, args[1], last)
	}
}

// cmdHeader: header NAME REGEXP checks a header of the last answer.
func cmdHeader(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: header NAME REGEXP")
	}
	value := sharedOf(ts).last.header.Get(args[0])
	if regexp.MustCompile(args[1]).MatchString(value) == neg {
		ts.Fatalf("header %s is %q, want %q", args[0], value, args[1])
	}
}

// cmdProblem: problem STATUS [WORD]... checks that the last answer is an RFC
// 9457 problem of that status that says all the words.
func cmdProblem(ts *testscript.TestScript, neg bool, args []string) {
	last := sharedOf(ts).last
	if neg || len(args) == 0 {
		ts.Fatalf("usage: problem STATUS [WORD]...")
	}
	if strconv.Itoa(last.status) != args[0] {
		ts.Fatalf("status is %d, want %s: %s", last.status, args[0], last)
	}
	if kind := last.header.Get("Content-Type"); kind != "application/problem+json" {
		ts.Fatalf("the answer is %q and no problem document: %s", kind, last)
	}
	if status, err := last.field("status"); err != nil || status != args[0] {
		ts.Fatalf("the problem says status %q: %s", status, last)
	}
	for _, word := range args[1:] {
		if !bytes.Contains(last.body, []byte(word)) {
			ts.Fatalf("the problem does not say %q: %s", word, last)
		}
	}
}

// cmdSave: save PATH NAME puts a field of the last answer into a variable.
func cmdSave(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save PATH NAME")
	}
	value, err := sharedOf(ts).last.field(args[0])
	ts.Check(err)
	ts.Setenv(args[1], value)
}

// cmdSaveBody: save-body FILE [FIELD]... writes the last answer to a file as
// indented JSON, without the named fields, wherever they stand.
func cmdSaveBody(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: save-body FILE [FIELD]...")
	}
	var body any
	ts.Check(json.Unmarshal(sharedOf(ts).last.body, &body))
	dropFields(body, args[1:])
	data, err := json.MarshalIndent(body, "", "  ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(data, '\n'), 0o600))
}

// dropFields takes fields out of a JSON value, wherever they stand.
func dropFields(value any, names []string) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range names {
			delete(value, name)
		}
		for _, member := range value {
			dropFields(member, names)
		}
	case []any:
		for _, element := range value {
			dropFields(element, names)
		}
	}
}

// cmdSaveRaw: save-raw FILE writes the answer to a file as it came.
func cmdSaveRaw(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: save-raw FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), sharedOf(ts).last.body, 0o600))
}

func (a answer) meets(path, want string, negated bool) bool {
	if path == "status" {
		return (strconv.Itoa(a.status) == want) != negated
	}
	value, err := a.field(path)
	return err == nil && (value == want) != negated
}

// field returns what stands at a path such as sessions.0.device.os or, for the
// length of a list, sessions.length.
func (a answer) field(path string) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", fmt.Errorf("the answer is no JSON: %w", err)
	}
	for step := range strings.SplitSeq(path, ".") {
		next, ok := descend(value, step)
		if !ok {
			return "", fmt.Errorf("the answer has no %s (at %q)", path, step)
		}
		value = next
	}
	return scalar(value), nil
}

func descend(value any, step string) (any, bool) {
	switch value := value.(type) {
	case map[string]any:
		next, ok := value[step]
		return next, ok
	case []any:
		if step == "length" {
			return len(value), true
		}
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(value) {
			return nil, false
		}
		return value[i], true
	default:
		return nil, false
	}
}

func scalar(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case map[string]any, []any:
		data, err := json.Marshal(value)
		if err != nil {
			return err.Error()
		}
		return string(data)
	default:
		return fmt.Sprint(value)
	}
}
