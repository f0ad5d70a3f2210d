package wcpos

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
)

// The codes of WordPress's and the plugin's errors. What neither has a code for
// begins with posse_.
const (
	codeNoRoute          = "rest_no_route"
	codeForbidden        = "rest_forbidden"
	codeMissingParameter = "rest_missing_callback_param"
	codeInvalidParameter = "rest_invalid_param"
	codeInvalidJSON      = "rest_invalid_json"
	codeUnauthorized     = "woocommerce_pos_rest_unauthorized"
	codeNoAccess         = "woocommerce_pos_rest_forbidden"
	codeTooLarge         = "posse_too_large"
	codePrefix           = "posse_"
)

const jsonType = "application/json; charset=UTF-8"

// maxMessage bounds what an error says, in bytes.
const maxMessage = 256

// restError is an error as WordPress's REST API writes it. Without a code it is
// the answer with which the plugin says that a DELETE failed.
type restError struct {
	Success *bool      `json:"success,omitempty"`
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message"`
	Data    *errorData `json:"data,omitempty"`

	status     int
	retryAfter int // seconds; 0 for none
}

// errorData is what programs can rely on.
type errorData struct {
	Status int `json:"status"`
	// Params are the names of missing parameters, or what is wrong with which.
	Params any `json:"params,omitempty"`
}

// Error returns the message.
func (e *restError) Error() string { return "wcpos: " + e.Message }

func newError(status int, code, message string) *restError {
	return &restError{Code: code, Message: message, Data: &errorData{Status: status}, status: status}
}

// failed is the plugin's own answer to a DELETE that did nothing.
func failed(status int, message string) *restError {
	return &restError{Message: message, status: status}
}

func missingParameters(names []string) *restError {
	e := newError(http.StatusBadRequest, codeMissingParameter, "Required and missing: "+strings.Join(names, ", ")+".")
	e.Data.Params = names
	return e
}

func invalidParameters(faults map[string]string) *restError {
	names := strings.Join(slices.Sorted(maps.Keys(faults)), ", ")
	e := newError(http.StatusBadRequest, codeInvalidParameter, "Not acceptable: "+names+".")
	e.Data.Params = faults
	return e
}

func forbidden(message string) *restError {
	return newError(http.StatusForbidden, codeForbidden, message)
}

// restErrorOf says any error in WordPress's terms. Package httpapi knows what
// may be said of it.
func restErrorOf(err error) *restError {
	if e, ok := errors.AsType[*restError](err); ok {
		return e
	}
	if errors.Is(err, errNoToken) {
		return newError(http.StatusUnauthorized, codeUnauthorized, "Send a bearer token in the Authorization header.")
	}
	problem := httpapi.ProblemOf(err)
	e := newError(problem.Status, codePrefix+problem.Reason, sentence(cmp.Or(problem.Detail, problem.Title)))
	switch problem.Status {
	case http.StatusUnauthorized:
		e.Code = codeUnauthorized
	case http.StatusForbidden:
		e.Code = codeForbidden
	case http.StatusUnprocessableEntity: // WordPress knows no 422
		e = newError(http.StatusBadRequest, codeInvalidParameter, e.Message)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		e.retryAfter = max(1, commands.AsError(err).RetryAfter)
	}
	return e
}

// sentence bounds a detail and writes it as the plugin writes its messages.
func sentence(detail string) string {
	end := "."
	if len(detail) > maxMessage {
		detail, end = strings.ToValidUTF8(detail[:maxMessage], ""), "…"
	}
	first, size := utf8.DecodeRuneInString(detail)
	return string(unicode.ToUpper(first)) + detail[size:] + end
}

// fail answers with an error. A DELETE that was refused for what it asks says
// besides that it was no success, which is what the plugin's clients look for.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error, ends bool) {
	e := *restErrorOf(err)
	if ends && (e.status == http.StatusBadRequest || e.status == http.StatusNotFound) {
		e.Success = new(bool)
	}
	switch {
	case e.status == http.StatusUnauthorized && errors.Is(err, errNoToken):
		w.Header().Set("WWW-Authenticate", `Bearer realm="posse"`)
	case e.status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="posse", error="invalid_token"`)
	case e.status >= http.StatusInternalServerError:
		a.logger.ErrorContext(r.Context(), "request failed",
			slog.String("request_id", httpapi.RequestID(r.Context())), slog.Any("error", err))
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	writeJSON(w, e.status, &e)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("wcpos: %T is not JSON: %v", body, err)) // our own types are
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(data) // fails when the client has left
}
