package commands

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Reason says in one word why a command was not carried out. Programs rely on
// these words; they do not change.
type Reason string

// The reasons.
const (
	ReasonInvalid           Reason = "invalid"                // a field is not as it must be; Error.Fields says which
	ReasonForbidden         Reason = "forbidden"              // the caller may not do this
	ReasonUnauthenticated   Reason = "unauthenticated"        // the caller is nobody
	ReasonSessionRevoked    Reason = "session_revoked"        // the caller's own session has ended
	ReasonNotFound          Reason = "not_found"              // no such user or session in the caller's tenant
	ReasonSessionExists     Reason = "session_exists"         // another login made a session with that id
	ReasonSessionEnded      Reason = "session_ended"          // the session was revoked and stays so
	ReasonSessionExpired    Reason = "session_expired"        // the session's time is over
	ReasonRefreshReused     Reason = "refresh_reused"         // a redeemed refresh token came back; its session is revoked
	ReasonInvalidGrant      Reason = "invalid_grant"          // the refresh token is not one of ours
	ReasonIdempotencyReused Reason = "idempotency_key_reused" // the key was used for a different command
	ReasonTooMany           Reason = "too_many"               // the caller's tenant does too much of this at once; try again
	ReasonBusy              Reason = "busy"                   // too much at once; nothing happened, try again
	ReasonUnavailable       Reason = "unavailable"            // the log did not answer; repeating is safe
	ReasonStorageFull       Reason = "storage_full"           // the log has no room for this; nothing happened, somebody has to make some
	ReasonBehind            Reason = "behind"                 // the read model did not reach the position in time; try again
	ReasonInternal          Reason = "internal_error"         // a fault of ours
)

// Sentinels for errors.Is: an Error matches the one with its Reason.
var (
	ErrInvalid           error = &Error{Reason: ReasonInvalid}
	ErrForbidden         error = &Error{Reason: ReasonForbidden}
	ErrUnauthenticated   error = &Error{Reason: ReasonUnauthenticated}
	ErrSessionRevoked    error = &Error{Reason: ReasonSessionRevoked}
	ErrNotFound          error = &Error{Reason: ReasonNotFound}
	ErrSessionExists     error = &Error{Reason: ReasonSessionExists}
	ErrSessionEnded      error = &Error{Reason: ReasonSessionEnded}
	ErrSessionExpired    error = &Error{Reason: ReasonSessionExpired}
	ErrRefreshReused     error = &Error{Reason: ReasonRefreshReused}
	ErrInvalidGrant      error = &Error{Reason: ReasonInvalidGrant}
	ErrIdempotencyReused error = &Error{Reason: ReasonIdempotencyReused}
	ErrTooMany           error = &Error{Reason: ReasonTooMany}
	ErrBusy              error = &Error{Reason: ReasonBusy}
	ErrUnavailable       error = &Error{Reason: ReasonUnavailable}
	ErrStorageFull       error = &Error{Reason: ReasonStorageFull}
	ErrBehind            error = &Error{Reason: ReasonBehind}
	ErrInternal          error = &Error{Reason: ReasonInternal}
)

// Error is why a command was not carried out, in the form in which it travels.
type Error struct {
	Reason Reason `json:"reason"`
	// Detail is a sentence for people.
	Detail string `json:"detail,omitempty"`
	// Fields say what is wrong with which part of the command.
	Fields []Field `json:"fields,omitempty"`
	// RetryAfter says when to try again, in seconds; 0 means do not.
	RetryAfter int `json:"retry_after,omitempty"`
}

// Field is what is wrong with one part of a command.
type Field struct {
	Name    string `json:"field"` // as in the JSON body, "personal.user_agent"
	Message string `json:"message"`
}

// NewError makes an Error with a sentence.
func NewError(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Retry makes an Error that asks to be tried again after a while.
func Retry(reason Reason, after time.Duration, format string, args ...any) *Error {
	e := NewError(reason, format, args...)
	e.RetryAfter = max(1, int((after+time.Second-1)/time.Second))
	return e
}

// Invalid makes the Error of a command with these faults, nil if there are none.
func Invalid(fields ...Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Reason: ReasonInvalid, Detail: sentence(fields), Fields: fields}
}

func sentence(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return "not acceptable: " + strings.Join(names, ", ")
}

// Error returns the reason and the sentence.
func (e *Error) Error() string {
	if e.Detail == "" {
		return "commands: " + string(e.Reason)
	}
	return "commands: " + string(e.Reason) + ": " + e.Detail
}

// Is matches the sentinel with the same reason.
func (e *Error) Is(target error) bool {
	sentinel, ok := target.(*Error)
	return ok && sentinel.Reason == e.Reason
}

// AsError returns the Error in err. Any other error is a fault of ours, whose
// text is for the log and not for the caller.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return NewError(ReasonInternal, "something went wrong on our side")
}
