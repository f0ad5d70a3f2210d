package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// surveyFirst is how long Survey waits for the first answer, surveyNext for each
	// after it.
	surveyFirst = 2 * time.Second
	surveyNext  = 300 * time.Millisecond
	// maxSurveyed is how many answers Survey takes.
	maxSurveyed = 1000
)

// ErrDenied says that the user may not publish on a subject.
var ErrDenied = errors.New("bus: the NATS user has no permission")

// Server is what the server that a Conn is connected to says of itself.
type Server struct {
	Name, Version string
	// Cluster is its name; "" means a server of its own.
	Cluster string
}

// Server is the one that is connected right now.
func (c *Conn) Server() Server {
	return Server{Name: c.nats.ConnectedServerName(), Version: c.nats.ConnectedServerVersion(), Cluster: c.nats.ConnectedClusterName()}
}

// Survey asks everybody who listens on a subject, and returns the answers: until
// nobody has answered for 300 ms, or within the first two seconds. No answer is no
// error. Errors: ErrDenied if the server refuses the request.
func (c *Conn) Survey(ctx context.Context, subject string, data []byte) ([][]byte, error) {
	sub, err := c.nats.SubscribeSync(c.nats.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("bus: survey on %s: %w", subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := c.nats.PublishRequest(subject, sub.Subject, data); err != nil {
		return nil, fmt.Errorf("bus: survey on %s: %w", subject, err)
	}
	var answers [][]byte
	for wait := surveyFirst; len(answers) < maxSurveyed; wait = surveyNext {
		m, err := nextWithin(ctx, sub, wait)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil, errors.Is(err, nats.ErrNoResponders):
			return answers, c.deniedOn(subject, answers)
		case err != nil:
			return nil, fmt.Errorf("bus: survey on %s: %w", subject, err)
		}
		answers = append(answers, m.Data)
	}
	return answers, nil
}

func nextWithin(ctx context.Context, sub *nats.Subscription, wait time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// deniedOn explains why there is no answer. A request that the server does not allow
// has none; the refusal comes by another way.
func (c *Conn) deniedOn(subject string, answers [][]byte) error {
	last := c.nats.LastError()
	if len(answers) > 0 || !errors.Is(last, nats.ErrPermissionViolation) || !strings.Contains(last.Error(), `"`+subject+`"`) {
		return nil
	}
	return fmt.Errorf("%w: it may not publish to %s", ErrDenied, subject)
}
