package commands

import "net/http"

// Status returns the HTTP status that goes with the reason.
func (e *Error) Status() int {
	switch e.Reason {
	case ReasonUnauthenticated, ReasonSessionRevoked:
		return http.StatusUnauthorized
	case ReasonForbidden:
		return http.StatusForbidden
	case ReasonNotFound:
		return http.StatusNotFound
	case ReasonSessionExists, ReasonSessionEnded, ReasonSessionExpired:
		return http.StatusConflict
	case ReasonInvalid, ReasonIdempotencyReused:
		return http.StatusUnprocessableEntity
	case ReasonRefreshReused, ReasonInvalidGrant:
		return http.StatusBadRequest
	case ReasonTooMany:
		return http.StatusTooManyRequests
	case ReasonBusy, ReasonUnavailable, ReasonBehind:
		return http.StatusServiceUnavailable
	case ReasonStorageFull:
		return http.StatusInsufficientStorage
	case ReasonInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}
