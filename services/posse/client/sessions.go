package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// User is a user with at least one active session.
type User struct {
	ID           string `json:"id"`
	Username     string `json:"username"`
	DisplayName  string `json:"display_name"`
	SessionCount int    `json:"session_count"`
}

// Session is a session as the API shows it.
type Session struct {
	Session     string    `json:"session"`
	User        string    `json:"user"`
	Username    string    `json:"username"`
	DisplayName string    `json:"display_name"`
	State       string    `json:"state"`
	IsCurrent   bool      `json:"is_current"`
	ActiveNow   bool      `json:"active_now"`
	Device      Device    `json:"device"`
	DeviceLabel string    `json:"device_label"`
	IP          string    `json:"ip"`
	Created     time.Time `json:"created"`
	LastActive  time.Time `json:"last_active"`
	Expires     time.Time `json:"expires"`
	Ended       *Ending   `json:"ended"`
	EndedLater  *Ending   `json:"ended_later"` // after the past moment that was asked about

	// Raw is all that the API said.
	Raw json.RawMessage `json:"-"`
}

// Ending says how a session ended before its expiry.
type Ending struct {
	At               time.Time `json:"at"`
	Cause            string    `json:"cause"`
	InitiatingEntity string    `json:"initiating_entity"`
	ActorUser        string    `json:"actor_user"`
	ReasonAdmin      string    `json:"reason_admin"`
	ReasonUser       string    `json:"reason_user"`
}

// Device is what a session runs on.
type Device struct {
	Application    string `json:"application"`
	Browser        string `json:"browser"`
	BrowserVersion string `json:"browser_version"`
	OS             string `json:"os"`
	OSVersion      string `json:"os_version"`
	Type           string `json:"type"`
}

// UnmarshalJSON keeps the raw form beside the parts that this package knows.
func (s *Session) UnmarshalJSON(data []byte) error {
	type plain Session
	if err := json.Unmarshal(data, (*plain)(s)); err != nil {
		return err
	}
	s.Raw = append(json.RawMessage(nil), data...)
	return nil
}

// Users returns all users whom the caller may see and the filter matches, with
// the position in the log that the first page showed.
func (c *Client) Users(ctx context.Context, filter string) (users []User, position uint64, err error) {
	return c.UsersAt(ctx, filter, time.Time{})
}

// UsersAt is Users as of a past moment; the zero time is now.
func (c *Client) UsersAt(ctx context.Context, filter string, at time.Time) (users []User, position uint64, err error) {
	query := url.Values{"page_size": {"500"}}
	addMoment(query, at)
	if filter != "" {
		query.Set("filter", filter)
	}
	for {
		var page struct {
			Users         []User `json:"users"`
			NextPageToken string `json:"next_page_token"`
			Position      uint64 `json:"position"`
		}
		if err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/users", Query: query}, &page); err != nil {
			return nil, 0, err
		}
		if users == nil {
			position = page.Position
		}
		users = append(users, page.Users...)
		if page.NextPageToken == "" {
			return users, position, nil
		}
		query.Set("page_token", page.NextPageToken)
	}
}

func addMoment(query url.Values, at time.Time) {
	if !at.IsZero() {
		query.Set("as_of", at.UTC().Format(time.RFC3339Nano))
	}
}

// Sessions returns the sessions of a user in a state, active or ended.
func (c *Client) Sessions(ctx context.Context, user, state string) (sessions []Session, position uint64, err error) {
	return c.SessionsAt(ctx, user, state, time.Time{})
}

// SessionsAt is Sessions as of a past moment; the zero time is now.
func (c *Client) SessionsAt(ctx context.Context, user, state string, at time.Time) (sessions []Session, position uint64, err error) {
	query := url.Values{"state": {state}}
	addMoment(query, at)
	var answer struct {
		Sessions []Session `json:"sessions"`
		Position uint64    `json:"position"`
	}
	err = c.Do(ctx, Request{
		Method: http.MethodGet,
		Path:   "/v1/users/" + url.PathEscape(user) + "/sessions",
		Query:  query,
	}, &answer)
	return answer.Sessions, answer.Position, err
}

// End says which sessions to end, and why.
type End struct {
	// Session is the one to end, or "" for those of User but Except.
	Session, User, Except string
	// ReasonAdmin is for administrators, ReasonUser for who is signed out.
	ReasonAdmin, ReasonUser string
	// WaitGateways has the answer wait until the gateways refuse the sessions.
	WaitGateways bool
	// IdempotencyKey makes it the same command when it is given again; "" for none.
	IdempotencyKey string
}

// Ended is what ending sessions did.
type Ended struct {
	Ended    int       `json:"ended"`
	Sessions []string  `json:"sessions"`
	Position uint64    `json:"position"`
	Gateways *Gateways `json:"gateways,omitempty"`
}

// Gateways says which gateways refuse the ended sessions by now.
type Gateways struct {
	Total     int `json:"total"`
	Confirmed []struct {
		Gateway string  `json:"gateway"`
		AfterMS float64 `json:"after_ms"`
	} `json:"confirmed"`
	Missing []struct {
		Gateway string `json:"gateway"`
		Name    string `json:"name"`
	} `json:"missing"`
	SlowestMS float64 `json:"slowest_ms"`
}

// Forget ends all sessions of a user and has the person forgotten.
func (c *Client) Forget(ctx context.Context, user string, waitGateways bool) (Ended, error) {
	request := Request{Method: http.MethodDelete, Path: "/v1/users/" + url.PathEscape(user), Query: url.Values{}}
	if waitGateways {
		request.Query.Set("wait", "gateways")
	}
	var ended Ended
	err := c.Do(ctx, request, &ended)
	return ended, err
}

// End ends sessions.
func (c *Client) End(ctx context.Context, end End) (Ended, error) {
	request := Request{Method: http.MethodDelete, Path: "/v1/sessions/" + url.PathEscape(end.Session), Query: url.Values{}}
	if end.Session == "" {
		request.Path = "/v1/users/" + url.PathEscape(end.User) + "/sessions"
	}
	if end.Except != "" {
		request.Query.Set("except", end.Except)
	}
	if end.WaitGateways {
		request.Query.Set("wait", "gateways")
	}
	if end.ReasonAdmin != "" || end.ReasonUser != "" {
		request.JSON = map[string]string{"reason_admin": end.ReasonAdmin, "reason_user": end.ReasonUser}
	}
	if end.IdempotencyKey != "" {
		request.Header = http.Header{"Idempotency-Key": {end.IdempotencyKey}}
	}
	var ended Ended
	err := c.Do(ctx, request, &ended)
	return ended, err
}
