package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// defaultRequestTimeout bounds a request whose context has no deadline.
const defaultRequestTimeout = 5 * time.Second

// Headers by which a micro service says that its answer is an error.
const (
	headerErrorCode        = "Nats-Service-Error-Code"
	headerErrorDescription = "Nats-Service-Error"
)

// ServiceError is an error that a service answered.
type ServiceError struct {
	Code        string // by convention an HTTP status
	Description string
	Body        []byte // of the answer, if it had one
}

// Error says what the service said.
func (e *ServiceError) Error() string {
	return "bus: service answered " + e.Code + ": " + e.Description
}

// Publish sends data to whoever listens now. It is buffered while the
// connection is away, and nobody acknowledges it.
func (c *Conn) Publish(subject string, data []byte) error {
	if err := c.nats.Publish(subject, data); err != nil {
		return fmt.Errorf("bus: publish on %s: %w", subject, err)
	}
	return nil
}

// Subscribe calls handle for every message on a subject, wildcards allowed, one
// after the other in the order of arrival, until stop is called. The server
// knows of the subscription when Subscribe returns. A call of handle may still
// be under way when stop returns.
func (c *Conn) Subscribe(subject string, handle func(subject string, data []byte)) (stop func(), err error) {
	sub, err := c.nats.Subscribe(subject, func(m *nats.Msg) { handle(m.Subject, m.Data) })
	if err != nil {
		return nil, fmt.Errorf("bus: subscribe to %s: %w", subject, err)
	}
	if err := c.nats.FlushTimeout(defaultRequestTimeout); err != nil && !c.nats.IsReconnecting() {
		return nil, errors.Join(fmt.Errorf("bus: subscribe to %s: %w", subject, err), sub.Unsubscribe())
	}
	return func() {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			c.logger.Warn("NATS subscription did not end", "subject", subject, "error", err)
		}
	}, nil
}

// Request asks on a subject and returns the answer. A context without a
// deadline waits five seconds. Errors: ErrNoResponders, ErrTimeout,
// *ServiceError, and the context's own if it was canceled.
func (c *Conn) Request(ctx context.Context, subject string, header map[string]string, data []byte) ([]byte, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultRequestTimeout)
		defer cancel()
	}
	request := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{}}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer, err := c.nats.RequestMsgWithContext(ctx, request)
	if err != nil {
		return nil, requestError(subject, err)
	}
	if code := answer.Header.Get(headerErrorCode); code != "" {
		return nil, &ServiceError{Code: code, Description: answer.Header.Get(headerErrorDescription), Body: answer.Data}
	}
	return answer.Data, nil
}

func requestError(subject string, err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w on %s", ErrNoResponders, subject)
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w on %s", ErrTimeout, subject)
	default:
		return fmt.Errorf("bus: request on %s: %w", subject, err)
	}
}
