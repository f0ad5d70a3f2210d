package commands

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/posse-pos/posse/pkg/bus"
)

// refusing carries out nothing, and counts what it was to.
type refusing struct {
	Commander

	asked int
}

func (r *refusing) Login(context.Context, Login) (LoggedIn, error) {
	r.asked++
	return LoggedIn{}, NewError(ReasonForbidden, "no")
}

func (r *refusing) EndUser(context.Context, EndUser) (Ended, error) {
	r.asked++
	return Ended{}, NewError(ReasonForbidden, "no")
}

// FuzzCommand sends anything on the subjects of commands: what is not JSON of a
// command's form is invalid and never carried out, and each error can be read.
func FuzzCommand(f *testing.F) {
	for _, text := range []string{
		`{"user":"ada","caller":{}}`, `{"user":"ada"}{}`, `{"usr":"ada"}`, `{"except":1}`, `null`, `[]`, ``, `{"user":"\ud800"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		commander := &refusing{}
		for _, endpoint := range Service("1.0.0", commander, slog.New(slog.DiscardHandler)).Endpoints {
			if endpoint.Name != "login" && endpoint.Name != "end_user" {
				continue
			}
			before := commander.asked
			_, err := endpoint.Handler(t.Context(), nil, data)
			refused, ok := errors.AsType[*bus.ServiceError](err)
			if !ok {
				t.Fatalf("%s answers %v", endpoint.Name, err)
			}
			var e Error
			if err := json.Unmarshal(refused.Body, &e); err != nil {
				t.Fatalf("%s answers %s: %v", endpoint.Name, refused.Body, err)
			}
			switch carriedOut := commander.asked > before; {
			case !carriedOut && e.Reason != ReasonInvalid, carriedOut && (e.Reason != ReasonForbidden || !json.Valid(data)):
				t.Errorf("%s of %q: carried out is %v, and the answer %s", endpoint.Name, data, carriedOut, refused.Body)
			}
		}
	})
}
