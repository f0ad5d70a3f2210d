package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Problem is an answer that says why there is no better one (RFC 9457).
//
//nolint:errname // RFC 9457 calls it a problem
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Reason is one word that programs can rely on, "" if the answer is not
	// posse's own.
	Reason string `json:"reason"`
	// RetryAfter is when to ask again, in seconds; 0 if the answer does not say.
	RetryAfter int `json:"-"`
	Errors     []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

// Error says the problem in one line.
func (p *Problem) Error() string {
	said := []string{fmt.Sprintf("%d %s", p.Status, p.Title)}
	if p.Detail != "" {
		said = append(said, p.Detail)
	}
	if len(p.Errors) > 1 {
		for _, field := range p.Errors {
			said = append(said, field.Field+": "+field.Message)
		}
	}
	text := strings.Join(said, ": ")
	if p.RetryAfter > 0 {
		text += fmt.Sprintf("; ask again in %d s", p.RetryAfter)
	}
	return text
}

func problemOf(request Request, response *http.Response, body []byte) error {
	problem := &Problem{}
	isProblem := strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json")
	if !isProblem || json.Unmarshal(body, problem) != nil {
		problem.Detail = request.Method + " " + request.Path
	}
	problem.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		problem.RetryAfter = seconds
	}
	if problem.Title == "" {
		problem.Title = http.StatusText(response.StatusCode)
	}
	return problem
}
