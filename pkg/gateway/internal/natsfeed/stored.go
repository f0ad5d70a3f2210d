package natsfeed

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

// getRequest asks for one message: the last of a subject, or the next of one from
// a sequence on. It is JSApiMsgGetRequest of JetStream's API.
type getRequest struct {
	Sequence uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
}

// storedMessage is one that the stream holds; Sequence is 0 if it holds none.
type storedMessage struct {
	Subject  string `json:"subject"`
	Sequence uint64 `json:"seq"`
	Data     []byte `json:"data"`
}

// source is POS_REVOCATIONS on one server.
type source struct {
	js  jetstream.JetStream
	api string // begins the subjects of requests to it, and ends with a dot
}

// stored asks the stream's leader: a replica, which might answer a direct get, may
// be behind.
func (s source) stored(ctx context.Context, get getRequest) (storedMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	request, err := json.Marshal(get)
	if err != nil {
		return storedMessage{}, err
	}
	reply, err := s.js.Conn().RequestWithContext(ctx, s.api+"STREAM.MSG.GET."+events.StreamRevocations, request)
	if err != nil {
		return storedMessage{}, fmt.Errorf("look into %s: %w", events.StreamRevocations, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message storedMessage       `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return storedMessage{}, fmt.Errorf("look into %s: %w", events.StreamRevocations, err)
	}
	if answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return storedMessage{}, fmt.Errorf("look into %s: %w", events.StreamRevocations, answer.Error)
	}
	return answer.Message, nil
}
