package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strconv"

	"github.com/posse-pos/posse/pkg/bus"
)

// Service is the NATS micro service that carries commands out. Give it to
// bus.Conn.Serve. A nil logger means slog.Default().
func Service(version string, c Commander, logger *slog.Logger) bus.Service {
	if logger == nil {
		logger = slog.Default()
	}
	s := server{logger: logger}
	return bus.Service{
		Name:        ServiceName,
		Version:     version,
		Description: "records what happens to sessions and ends them",
		Endpoints: []bus.Endpoint{
			{Name: "login", Subject: SubjectLogin, Handler: serve(s, c.Login)},
			{Name: "refresh", Subject: SubjectRefresh, Handler: serve(s, c.Refresh)},
			{Name: "record_refresh", Subject: SubjectRecordRefresh, Handler: serve(s, c.RecordRefresh)},
			{Name: "touch", Subject: SubjectTouch, Handler: serve(s, func(ctx context.Context, t Touches) (struct{}, error) {
				return struct{}{}, c.Touch(ctx, t)
			})},
			{Name: "end_session", Subject: SubjectEndSession, Handler: serve(s, c.EndSession)},
			{Name: "end_user", Subject: SubjectEndUser, Handler: serve(s, c.EndUser)},
			{Name: "forget_user", Subject: SubjectForgetUser, Handler: serve(s, c.ForgetUser)},
		},
	}
}

type server struct{ logger *slog.Logger }

type handler = func(ctx context.Context, header map[string]string, data []byte) ([]byte, error)

func serve[C, A any](s server, carryOut func(context.Context, C) (A, error)) handler {
	return func(ctx context.Context, _ map[string]string, data []byte) ([]byte, error) {
		var command C
		if err := decodeStrict(data, &command); err != nil {
			return nil, s.answer(ctx, NewError(ReasonInvalid, "the command is not JSON of its form: %v", err))
		}
		answer, err := carryOut(ctx, command)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return json.Marshal(answer)
	}
}

// decodeStrict refuses fields that no command has: a caller who misspells
// "except" must not log everybody out.
func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

func (s server) answer(ctx context.Context, err error) error {
	e := AsError(err)
	if e.Reason == ReasonInternal {
		s.logger.ErrorContext(ctx, "command failed", slog.Any("error", err))
	}
	body, encodeErr := json.Marshal(e)
	if encodeErr != nil {
		return encodeErr
	}
	return &bus.ServiceError{Code: strconv.Itoa(e.Status()), Description: string(e.Reason), Body: body}
}
