package natslog

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Error codes of nats-server 2.15.2 that nats.go has no name for
// (server/jetstream_errors_generated.go).
const (
	codeDuplicateInFlight jetstream.ErrorCode = 10158
	codeConflict                              = jetstream.JSErrCodeStreamWrongLastSequence
	codeConflictInFlight                      = jetstream.JSErrCodeStreamWrongLastSequenceConstant
	codeBatchIncomplete   jetstream.ErrorCode = 10176
	codeBatchHasDuplicate jetstream.ErrorCode = 10201
	codeTooManyBatches    jetstream.ErrorCode = 10210
	codeMessageNotFound                       = jetstream.JSErrCodeMessageNotFound
	codeNoPeers           jetstream.ErrorCode = 10005 // a cluster that has not met all its nodes yet
	codeNotCreated        jetstream.ErrorCode = 10049 // a stream that could not be stored, and other causes
	codeAccountFull       jetstream.ErrorCode = 10002
	codeServerFull        jetstream.ErrorCode = 10023
	codeStorageFull       jetstream.ErrorCode = 10047
	codeNotStored         jetstream.ErrorCode = 10077 // for whatever reason the description says

	httpUnavailable = 503
)

// transientCodes may go away by waiting, as may every answer of the class 503.
var transientCodes = []jetstream.ErrorCode{
	codeDuplicateInFlight, codeConflictInFlight, codeBatchIncomplete, codeTooManyBatches, codeNoPeers,
}

// isRefusal tells what a server will refuse again from what it may accept in a
// moment.
func isRefusal(err error) bool {
	answer, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (isFull(err) || answer.Code != httpUnavailable) && !slices.Contains(transientCodes, answer.ErrorCode)
}

// codeOf returns the server's error code, or 0 if the server did not answer.
func codeOf(err error) jetstream.ErrorCode {
	if answer, ok := errors.AsType[*jetstream.APIError](err); ok {
		return answer.ErrorCode
	}
	return 0
}

func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	return slices.Contains(codes, codeOf(err))
}
