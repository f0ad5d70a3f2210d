package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
)

// Problem is a problem document (RFC 9457).
//
//nolint:errname // RFC 9457 calls it a problem
type Problem struct {
	Title  string `doc:"The status in words."                                    json:"title"`
	Status int    `doc:"The HTTP status."                                        json:"status"`
	Detail string `doc:"What went wrong this time, for people."                  json:"detail,omitempty"`
	Reason string `doc:"What went wrong, in one word that programs can rely on." json:"reason"`
	// Errors never quote values: a value may be a secret.
	Errors    []commands.Field `doc:"Which fields are not as they must be."    json:"errors,omitempty"`
	RequestID string           `doc:"Names this request in the service's log." json:"request_id,omitempty"`

	err        error // for the log
	retryAfter int
}

// NewProblem makes a problem with a reason.
func NewProblem(status int, reason, detail string, fields ...commands.Field) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Reason: reason, Detail: detail, Errors: fields}
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// Unwrap returns the fault that the problem hides from the client.
func (p *Problem) Unwrap() error { return p.err }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problem documents.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// ProblemOf says an error in a problem document: the errors of packages
// commands and principal as what they are, problems as themselves, a context
// that ended as unavailable, and all others as a fault of ours without a word
// about its cause.
func ProblemOf(err error) *Problem {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem
	}
	if refused := authProblem(err); refused != nil {
		return refused
	}
	e := commands.AsError(err)
	if e.Reason == commands.ReasonInternal && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		e = commands.Retry(commands.ReasonUnavailable, time.Second, "it took too long; try again")
	}
	p := NewProblem(e.Status(), string(e.Reason), e.Detail, e.Fields...)
	p.err, p.retryAfter = err, e.RetryAfter
	return p
}

// newProblem is huma's way to make an error.
func newProblem(status int, message string, errs ...error) huma.StatusError {
	if status == http.StatusInternalServerError && len(errs) == 1 {
		return ProblemOf(errs[0]) // a handler's error
	}
	p := NewProblem(status, reasonOf(status), message)
	for _, err := range errs {
		if err != nil {
			p.Errors = append(p.Errors, fieldOf(err))
		}
	}
	if len(p.Errors) == 1 && message == "validation failed" {
		p.Detail = p.Errors[0].Name + ": " + p.Errors[0].Message
	}
	return p
}

func newProblemIn(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	problem := newProblem(status, message, errs...)
	p, ok := problem.(*Problem)
	if !ok {
		return problem
	}
	p.RequestID = RequestID(ctx.Context())
	if p.retryAfter > 0 {
		ctx.SetHeader("Retry-After", strconv.Itoa(p.retryAfter))
	}
	p.challenge(ctx.SetHeader)
	p.log(ctx.Context(), ctx.Operation().OperationID)
	if _, marked := ctx.Operation().Metadata[oauthErrors]; marked {
		return p.oauth()
	}
	return p
}

// log says what is a fault. A refusal because there is too much is none; logged one
// by one they would be too much as well.
func (p *Problem) log(ctx context.Context, operation string) {
	if p.Status >= http.StatusInternalServerError && p.err != nil && !errors.Is(p.err, commands.ErrBusy) {
		loggerOf(ctx).ErrorContext(ctx, "request failed", slog.String("operation", operation),
			slog.String("request_id", RequestID(ctx)), slog.Any("error", p.err))
	}
}

// Write answers a request with the problem, for handlers that are no operations.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request) {
	p.RequestID = RequestID(r.Context())
	p.log(r.Context(), r.Pattern)
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	p.challenge(w.Header().Set)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = jsonFormat.Marshal(w, p)
	}
}

// fieldOf drops the value that huma would quote.
func fieldOf(err error) commands.Field {
	var detailer huma.ErrorDetailer
	if !errors.As(err, &detailer) {
		return commands.Field{Message: err.Error()}
	}
	detail := detailer.ErrorDetail()
	return commands.Field{Name: strings.TrimPrefix(detail.Location, "body."), Message: detail.Message}
}

func reasonOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "malformed_request"
	case http.StatusUnauthorized:
		return string(commands.ReasonUnauthenticated)
	case http.StatusForbidden:
		return string(commands.ReasonForbidden)
	case http.StatusUnprocessableEntity:
		return string(commands.ReasonInvalid)
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	default:
		return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	}
}

// AcceptsPage reports whether a page is the right answer to a request: browsers
// that somebody has go somewhere name HTML among what they accept. Programs take
// JSON, or anything (*/*), and no page.
func AcceptsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// NotFound answers requests to paths where nothing is: with the page whoever
// accepts one, if page is not nil, and all others with a problem.
func NotFound(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if page != nil && AcceptsPage(r) {
			page(w, r)
			return
		}
		NewProblem(http.StatusNotFound, string(commands.ReasonNotFound), "there is nothing at this path").Write(w, r)
	}
}
