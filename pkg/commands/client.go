package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
)

// defaultTimeout bounds a command whose context has no deadline: longer than
// the recorder's own limit, and shorter than the ten seconds after which many
// proxies and clients give up.
const defaultTimeout = 9 * time.Second

// Requester asks over NATS; *bus.Conn is one.
type Requester interface {
	Request(ctx context.Context, subject string, header map[string]string, data []byte) ([]byte, error)
}

// Client is a Commander that asks a recorder over NATS. The recorder trusts the
// callers that it names: NATS permissions say who may ask.
type Client struct {
	conn    Requester
	timeout time.Duration
}

var _ Commander = (*Client)(nil)

// NewClient makes a client. A command whose context has no deadline is given up
// after timeout; 0 means 9 s.
func NewClient(conn Requester, timeout time.Duration) *Client {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &Client{conn: conn, timeout: timeout}
}

// Login asks for a login to be recorded.
func (c *Client) Login(ctx context.Context, command Login) (LoggedIn, error) {
	return ask[LoggedIn](ctx, c, SubjectLogin, command)
}

// Refresh asks for a refresh token to be redeemed.
func (c *Client) Refresh(ctx context.Context, command Refresh) (Refreshed, error) {
	return ask[Refreshed](ctx, c, SubjectRefresh, command)
}

// RecordRefresh asks for a foreign refresh to be recorded.
func (c *Client) RecordRefresh(ctx context.Context, command RecordRefresh) (Refreshed, error) {
	return ask[Refreshed](ctx, c, SubjectRecordRefresh, command)
}

// Touch asks for activity to be recorded.
func (c *Client) Touch(ctx context.Context, command Touches) error {
	_, err := ask[struct{}](ctx, c, SubjectTouch, command)
	return err
}

// EndSession asks for a session to be ended.
func (c *Client) EndSession(ctx context.Context, command EndSession) (Ended, error) {
	return ask[Ended](ctx, c, SubjectEndSession, command)
}

// EndUser asks for sessions of a user to be ended.
func (c *Client) EndUser(ctx context.Context, command EndUser) (Ended, error) {
	return ask[Ended](ctx, c, SubjectEndUser, command)
}

// ForgetUser asks for a user to be forgotten.
func (c *Client) ForgetUser(ctx context.Context, command ForgetUser) (Ended, error) {
	return ask[Ended](ctx, c, SubjectForgetUser, command)
}

func ask[A any](ctx context.Context, c *Client, subject string, command any) (answer A, err error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	data, err := json.Marshal(command)
	if err != nil {
		return answer, fmt.Errorf("commands: encode for %s: %w", subject, err)
	}
	reply, err := c.conn.Request(ctx, subject, nil, data)
	if err != nil {
		return answer, failure(subject, err)
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return answer, fmt.Errorf("commands: answer on %s is not JSON of its form: %w", subject, err)
	}
	return answer, nil
}

// failure tells an answer that is an error from the lack of an answer. Asking
// again is safe: commands repeat without a second effect.
func failure(subject string, err error) error {
	var service *bus.ServiceError
	switch {
	case errors.As(err, &service):
		var e Error
		if json.Unmarshal(service.Body, &e) == nil && e.Reason != "" {
			return &e
		}
		return Retry(ReasonUnavailable, time.Second, "the recorder answered %s: %s", service.Code, service.Description)
	case errors.Is(err, bus.ErrNoResponders):
		return Retry(ReasonUnavailable, time.Second, "no recorder is running")
	case errors.Is(err, bus.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return Retry(ReasonUnavailable, time.Second, "the recorder did not answer in time")
	default:
		return fmt.Errorf("commands: ask on %s: %w", subject, err)
	}
}
