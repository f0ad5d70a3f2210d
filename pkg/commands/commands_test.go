package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
)

// recorder answers every command with what it was told to, and keeps it.
type recorder struct {
	err  error
	last any
}

func answer[A any](r *recorder, command any, a A) (A, error) {
	r.last = command
	if r.err != nil {
		var none A
		return none, r.err
	}
	return a, nil
}

var (
	at        = time.Date(2026, 3, 2, 9, 0, 0, int(123*time.Millisecond), time.UTC)
	tokens    = &commands.Tokens{Access: "a", AccessExpires: at, Refresh: "r", RefreshExpires: at}
	loggedIn  = commands.LoggedIn{Session: "till", User: "ada", Tenant: "shop", Created: at, Expires: at, Position: 1, Ended: 2, Tokens: tokens}
	refreshed = commands.Refreshed{Session: "till", Expires: at, Generation: 3, Position: 4, Tokens: tokens}
	ended     = commands.Ended{Ended: 1, Position: 5, Sessions: []string{"till"}}
)

func (r *recorder) Login(_ context.Context, c commands.Login) (commands.LoggedIn, error) {
	return answer(r, c, loggedIn)
}

func (r *recorder) Refresh(_ context.Context, c commands.Refresh) (commands.Refreshed, error) {
	return answer(r, c, refreshed)
}

func (r *recorder) RecordRefresh(_ context.Context, c commands.RecordRefresh) (commands.Refreshed, error) {
	return answer(r, c, refreshed)
}

func (r *recorder) Touch(_ context.Context, c commands.Touches) error {
	_, err := answer(r, c, struct{}{})
	return err
}

func (r *recorder) EndSession(_ context.Context, c commands.EndSession) (commands.Ended, error) {
	return answer(r, c, ended)
}

func (r *recorder) EndUser(_ context.Context, c commands.EndUser) (commands.Ended, error) {
	return answer(r, c, ended)
}

func (r *recorder) ForgetUser(_ context.Context, c commands.ForgetUser) (commands.Ended, error) {
	return answer(r, c, ended)
}

// wire carries requests to a service without a server.
type wire struct{ service bus.Service }

func (w wire) Request(ctx context.Context, subject string, _ map[string]string, data []byte) ([]byte, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("an unbounded request")
	}
	for _, e := range w.service.Endpoints {
		if e.Subject == subject {
			return e.Handler(ctx, nil, data)
		}
	}
	return nil, bus.ErrNoResponders
}

func connect(r *recorder) *commands.Client {
	return commands.NewClient(wire{commands.Service("1.0.0", r, slog.New(slog.DiscardHandler))}, 0)
}

func TestEveryCommandArrivesAndIsAnswered(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	client := connect(r)
	caller := commands.Caller{
		Principal: principal.Principal{Kind: principal.Admin, Tenant: "shop", User: "root", Session: "x", Roles: []string{"admin"}},
		IP:        "::1", IdempotencyKey: "k",
	}
	check := func(command, got, want any, err error) {
		t.Helper()
		if diff := cmp.Diff(command, r.last); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	login := commands.Login{
		Caller: caller, Session: "till", User: "ada", Roles: []string{"a"}, Platform: "ios", AppVersion: "1", Build: "2",
		Created: at, Expires: at, Personal: events.LoginPersonal{Username: "ada", ClientHints: map[string]string{"a": "b"}},
	}
	in, err := client.Login(t.Context(), login)
	check(login, in, loggedIn, err)
	refresh := commands.Refresh{Token: "r", IP: "::1", UserAgent: "u"}
	re, err := client.Refresh(t.Context(), refresh)
	check(refresh, re, refreshed, err)
	record := commands.RecordRefresh{Caller: caller, User: "ada", Session: "till", Expires: at, IP: "::1", UserAgent: "u"}
	re, err = client.RecordRefresh(t.Context(), record)
	check(record, re, refreshed, err)
	touches := commands.Touches{Caller: caller, Touches: []commands.Touch{{User: "ada", Session: "till", At: at}}}
	check(touches, nil, nil, client.Touch(t.Context(), touches))
	one := commands.EndSession{Caller: caller, Session: "till", Reasons: commands.Reasons{Admin: "a", User: "u"}}
	end, err := client.EndSession(t.Context(), one)
	check(one, end, ended, err)
	all := commands.EndUser{Caller: caller, User: "ada", Except: "till"}
	end, err = client.EndUser(t.Context(), all)
	check(all, end, ended, err)
	forget := commands.ForgetUser{Caller: caller, User: "ada"}
	end, err = client.ForgetUser(t.Context(), forget)
	check(forget, end, ended, err)
}

func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	for reason, status := range map[commands.Reason]int{
		commands.ReasonInvalid: http.StatusUnprocessableEntity, commands.ReasonForbidden: http.StatusForbidden,
		commands.ReasonUnauthenticated: http.StatusUnauthorized, commands.ReasonSessionRevoked: http.StatusUnauthorized,
		commands.ReasonNotFound: http.StatusNotFound, commands.ReasonSessionExists: http.StatusConflict,
		commands.ReasonSessionEnded: http.StatusConflict, commands.ReasonSessionExpired: http.StatusConflict,
		commands.ReasonRefreshReused: http.StatusBadRequest, commands.ReasonInvalidGrant: http.StatusBadRequest,
		commands.ReasonIdempotencyReused: http.StatusUnprocessableEntity, commands.ReasonBusy: http.StatusServiceUnavailable,
		commands.ReasonUnavailable: http.StatusServiceUnavailable, commands.ReasonInternal: http.StatusInternalServerError,
		commands.ReasonStorageFull: http.StatusInsufficientStorage,
		"of the future":            http.StatusInternalServerError,
	} {
		sent := &commands.Error{Reason: reason, Detail: "because", Fields: []commands.Field{{Name: "f", Message: "m"}}, RetryAfter: 2}
		_, err := connect(&recorder{err: fmt.Errorf("wrapped: %w", sent)}).Login(t.Context(), commands.Login{})
		got, ok := errors.AsType[*commands.Error](err)
		if !ok || !errors.Is(err, &commands.Error{Reason: reason}) || got.Status() != status {
			t.Errorf("%s arrives as %v", reason, err)
			continue
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFaultsDoNotTravel(t *testing.T) {
	t.Parallel()
	_, err := connect(&recorder{err: errors.New("the secret reason")}).Login(t.Context(), commands.Login{})
	if !errors.Is(err, commands.ErrInternal) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v", err)
	}
}

func TestASilentRecorderIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{
		bus.ErrNoResponders, bus.ErrTimeout, context.DeadlineExceeded, &bus.ServiceError{Code: "503", Description: "shutting down"},
	} {
		client := commands.NewClient(broken{fault}, time.Second)
		_, err := client.EndUser(t.Context(), commands.EndUser{})
		if e := commands.AsError(err); !errors.Is(err, commands.ErrUnavailable) || e.RetryAfter == 0 {
			t.Errorf("%v becomes %v", fault, err)
		}
	}
	_, err := commands.NewClient(broken{context.Canceled}, 0).EndUser(t.Context(), commands.EndUser{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

type broken struct{ err error }

func (b broken) Request(context.Context, string, map[string]string, []byte) ([]byte, error) {
	return nil, b.err
}

func TestCommandsThatAreNotOfTheirFormAreRefused(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	service := commands.Service("1.0.0", r, slog.New(slog.DiscardHandler))
	for _, body := range []string{``, `[]`, `{"expect":"till"}`, `{"user":7}`, `{}{}`, "\x00"} {
		for _, e := range service.Endpoints {
			_, err := e.Handler(t.Context(), nil, []byte(body))
			failure, ok := errors.AsType[*bus.ServiceError](err)
			if !ok || failure.Code != strconv.Itoa(http.StatusUnprocessableEntity) || r.last != nil {
				t.Errorf("%s %q: %v", e.Name, body, err)
				continue
			}
			var carried commands.Error
			if json.Unmarshal(failure.Body, &carried) != nil || carried.Reason != commands.ReasonInvalid {
				t.Errorf("%s %q: %s", e.Name, body, failure.Body)
			}
		}
	}
}

func TestInvalidNamesItsFields(t *testing.T) {
	t.Parallel()
	if err := commands.Invalid(); err != nil {
		t.Errorf("no faults make the error %v", err)
	}
	err := commands.Invalid(commands.Field{Name: "user", Message: "is empty"}, commands.Field{Name: "ip", Message: "is none"})
	if !errors.Is(err, commands.ErrInvalid) || !strings.Contains(err.Error(), "user, ip") {
		t.Errorf("error is %v", err)
	}
}
