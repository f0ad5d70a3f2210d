package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sync/errgroup"
)

// cmdHTTP: http METHOD URL [option=value]... sends a request and keeps the answer.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	result, err := send(ts, args)
	if neg {
		if err == nil {
			ts.Fatalf("%s was answered with %d", result.request, result.status)
		}
		return
	}
	ts.Check(err)
	sharedOf(ts).last = result
	ts.Logf("%s", result)
}

func send(ts *testscript.TestScript, args []string) (answer, error) {
	request, err := newRequest(ts, args)
	if err != nil {
		ts.Fatalf("http: %v", err)
	}
	return ask(request)
}

func ask(request *http.Request) (answer, error) {
	client := &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{request.Method + " " + request.URL.Path, response.StatusCode, response.Header, body}, err
}

func newRequest(ts *testscript.TestScript, args []string) (*http.Request, error) {
	if len(args) < 2 {
		return nil, errors.New("a request is METHOD URL and options such as as=TOKEN")
	}
	request, err := http.NewRequest(args[0], args[1], http.NoBody)
	if err != nil {
		return nil, err
	}
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		if err := setOption(ts, request, name, value); err != nil {
			return nil, err
		}
	}
	return request, nil
}

func setOption(ts *testscript.TestScript, request *http.Request, name, value string) error {
	expanded := func(file string) string { return os.Expand(ts.ReadFile(file), ts.Getenv) }
	switch name {
	case "as":
		request.Header.Set("Authorization", "Bearer "+value)
	case "body":
		setBody(request, "application/json", expanded(value))
	case "json":
		setBody(request, "application/json", value)
	case "raw":
		setBody(request, "application/json", ts.ReadFile(value))
	case "ndjson":
		setBody(request, "application/x-ndjson", expanded(value))
	case "form":
		setBody(request, "application/x-www-form-urlencoded", value)
	case "header":
		key, content, _ := strings.Cut(value, ":")
		request.Header.Set(key, strings.TrimSpace(content))
	default:
		return fmt.Errorf("there is no option %q", name)
	}
	return nil
}

func setBody(request *http.Request, contentType, body string) {
	request.Header.Set("Content-Type", contentType)
	request.ContentLength = int64(len(body))
	request.Body = io.NopCloser(strings.NewReader(body))
}

// cmdWaitUntil: wait-until CONDITION METHOD URL ... repeats a request until its
// answer meets the condition: status=CODE, PATH=VALUE or PATH!=VALUE.
func cmdWaitUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: wait-until status=CODE|PATH=VALUE METHOD URL [option=value]...")
	}
	path, want, _ := strings.Cut(args[0], "=")
	path, negated := strings.CutSuffix(path, "!")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last answer
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		result, err := send(ts, args[1:])
		if err != nil {
			continue
		}
		last = result
		if last.meets(path, want, negated) {
			sharedOf(ts).last = last
			return
		}
	}
	ts.Fatalf("waited %v in vain for %s: %s", patience, args[0], last)
}

// cmdFollow: follow METHOD URL [option=value]... opens an answer without an end
// and keeps it open until the server ends it.
func cmdFollow(ts *testscript.TestScript, neg bool, args []string) {
	request, err := newRequest(ts, args)
	if neg || err != nil {
		ts.Fatalf("usage: follow METHOD URL [option=value]...: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request) //nolint:bodyclose // at the end of the script
	ts.Check(err)
	if response.StatusCode != http.StatusOK {
		ts.Fatalf("%s %s is answered with %s", request.Method, request.URL.Path, response.Status)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, response.Body)
	}()
	ts.Defer(func() {
		_ = response.Body.Close()
		<-ended
	})
}

// cmdTogether: together METHOD URL [option=value]... ; METHOD URL ... sends
// several requests at the same moment and adds up their answers: after it,
// `json 201 3` says that three were answered with 201.
func cmdTogether(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: together METHOD URL [option=value]... ; METHOD URL ...")
	}
	var requests []*http.Request
	for _, part := range splitAt(args, ";") {
		request, err := newRequest(ts, part)
		ts.Check(err)
		requests = append(requests, request)
	}
	statuses := make([]int, len(requests))
	var group errgroup.Group
	for i, request := range requests {
		group.Go(func() (err error) {
			answered, err := ask(request)
			statuses[i] = answered.status
			return err
		})
	}
	ts.Check(group.Wait())
	counts := map[string]int{}
	for _, status := range statuses {
		counts[strconv.Itoa(status)]++
	}
	body, err := json.Marshal(counts)
	ts.Check(err)
	sharedOf(ts).last = answer{request: "together", body: body}
}

func splitAt(args []string, separator string) [][]string {
	var parts [][]string
	for {
		i := slices.Index(args, separator)
		if i < 0 {
			return append(parts, args)
		}
		parts, args = append(parts, args[:i]), args[i+1:]
	}
}
