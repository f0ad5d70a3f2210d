package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
)

const (
	maxTouchesBody = 1 << 20
	typeJSON       = "application/json"
	typeNDJSON     = "application/x-ndjson"
	typeOctets     = "application/octet-stream" // huma adds it to every operation with a raw body
)

type touchesInput struct {
	ContentType string `header:"Content-Type"`
	RawBody     []byte
}

type touchesOutput struct {
	Body struct {
		Recorded int `doc:"How many there were." json:"recorded"`
	}
}

func (r *Recorder) registerTouches(api huma.API) {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[commands.Touch](), true, "Touch")
	body := &huma.RequestBody{Content: map[string]*huma.MediaType{typeJSON: {Schema: schema}, typeNDJSON: {Schema: schema}}}
	huma.Register(api, huma.Operation{
		OperationID: "record-touches", Method: http.MethodPost, Path: "/v1/touches",
		Summary: "Record that sessions made requests",
		Description: "For POS backends without a gateway. One touch as JSON, or up to 1,000 as NDJSON, one a line. " +
			"If a line is not acceptable, none is recorded, and the answer names each bad line by its number.",
		DefaultStatus: http.StatusAccepted, Tags: []string{"recording"}, Security: httpapi.Bearer,
		MaxBodyBytes: maxTouchesBody, BodyReadTimeout: bodyReadTimeout, SkipValidateBody: true,
		RequestBody: body, Middlewares: huma.Middlewares{r.refuseEarly(api, "touch", arrivals)},
	}, r.postTouches)
	delete(body.Content, typeOctets)
}

func (r *Recorder) postTouches(ctx context.Context, in *touchesInput) (*touchesOutput, error) {
	caller, err := httpapi.Caller(ctx, "")
	if err != nil {
		return nil, err
	}
	touches, err := r.parseTouches(in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	if err := r.Touch(ctx, commands.Touches{Caller: caller, Touches: touches}); err != nil {
		return nil, err
	}
	out := &touchesOutput{}
	out.Body.Recorded = len(touches)
	return out, nil
}

func (r *Recorder) parseTouches(contentType string, body []byte) ([]commands.Touch, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "", err == nil && kind == typeJSON:
		return r.parseTouch(body)
	case err == nil && kind == typeNDJSON:
		return r.parseLines(body)
	default:
		return nil, httpapi.NewProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"send "+typeJSON+" for one touch or "+typeNDJSON+" for several")
	}
}

func (r *Recorder) parseTouch(body []byte) ([]commands.Touch, error) {
	touch, err := decodeTouch(body)
	if err != nil {
		return nil, httpapi.NewProblem(http.StatusBadRequest, "malformed_request", "the body is not one touch",
			commands.Field{Name: "body", Message: err.Error()})
	}
	f := checkTouch("", touch, r.config.now())
	return []commands.Touch{touch}, f.err()
}

// parseLines names the faults by line here, so that the command, which knows
// numbers only, finds none.
func (r *Recorder) parseLines(body []byte) ([]commands.Touch, error) {
	var (
		touches []commands.Touch
		f       faults
		number  int
		now     = r.config.now()
	)
	for line := range bytes.Lines(body) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		touch, err := decodeTouch(line)
		if err != nil {
			f.addf(fmt.Sprintf("line %d", number), "%v", err)
			continue
		}
		f = append(f, checkTouch(fmt.Sprintf("line %d: ", number), touch, now)...)
		touches = append(touches, touch)
	}
	if len(touches) > maxTouches {
		f.addf("body", "has %d touches, at most %d are allowed", len(touches), maxTouches)
	}
	return touches, f.err()
}

func decodeTouch(data []byte) (touch commands.Touch, err error) {
	if !utf8.Valid(data) {
		return touch, errors.New("is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&touch); err != nil {
		return touch, readable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return touch, errors.New("has more than one JSON value")
	}
	return touch, httpapi.CheckKeys(data)
}

// readable says what encoding/json found without naming Go's types.
func readable(err error) error {
	if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s may not be a JSON %s", orBody(typ.Field), typ.Value)
	}
	return err
}

func orBody(field string) string {
	if field == "" {
		return "a touch"
	}
	return field
}
