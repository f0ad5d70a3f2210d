package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/pkg/eventlog"
)

// getRequest asks the stream's leader for one message, as opposed to a direct
// get, which any replica answers from what it has. nats.go chooses between the
// two by the stream's settings; here the caller does.
type getRequest struct {
	Sequence uint64 `json:"seq,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
}

type getAnswer struct {
	Error   *jetstream.APIError `json:"error,omitempty"`
	Message *struct {
		Subject  string    `json:"subject"`
		Sequence uint64    `json:"seq"`
		Header   []byte    `json:"hdrs,omitempty"`
		Data     []byte    `json:"data,omitempty"`
		Time     time.Time `json:"time"`
	} `json:"message,omitempty"`
}

// fromLeader returns one message as the leader has it. Errors:
// eventlog.ErrNotFound, eventlog.ErrUnavailable.
func (l *Log) fromLeader(ctx context.Context, stream string, request getRequest) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("natslog: encode request: %w", err)
	}
	reply, err := l.js.Conn().RequestWithContext(ctx, l.apiPrefix()+"STREAM.MSG.GET."+stream, body)
	if err != nil {
		return nil, unavailable("read from the leader of stream "+stream, err)
	}
	var answer getAnswer
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, unavailable("read from the leader of stream "+stream, err)
	}
	return answer.message(stream)
}

func (a getAnswer) message(stream string) (*jetstream.RawStreamMsg, error) {
	switch {
	case a.Error != nil && a.Error.ErrorCode == codeMessageNotFound:
		return nil, fmt.Errorf("%w: message in stream %s", eventlog.ErrNotFound, stream)
	case a.Error != nil:
		return nil, unavailable("read from the leader of stream "+stream, a.Error)
	case a.Message == nil:
		return nil, unavailable("read from the leader of stream "+stream, errors.New("answer has no message"))
	}
	message := &jetstream.RawStreamMsg{
		Subject: a.Message.Subject, Sequence: a.Message.Sequence, Data: a.Message.Data, Time: a.Message.Time,
	}
	if len(a.Message.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(a.Message.Header)
		if err != nil {
			return nil, fmt.Errorf("natslog: header of message %d of stream %s: %w", a.Message.Sequence, stream, err)
		}
		message.Header = header
	}
	return message, nil
}

func (l *Log) apiPrefix() string {
	options := l.js.Options()
	switch {
	case options.APIPrefix != "":
		return strings.TrimSuffix(options.APIPrefix, ".") + "."
	case options.Domain != "":
		return "$JS." + options.Domain + ".API."
	default:
		return jetstream.DefaultAPIPrefix
	}
}
