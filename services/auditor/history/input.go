package history

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// The forms of an answer, as they are recorded.
const (
	formatNDJSON = "ndjson"
	formatSSE    = "sse"

	typeNDJSON = "application/x-ndjson"
	typeSSE    = "text/event-stream"
)

type input struct {
	Since string `doc:"Stored at this moment or later: RFC 3339, or a day, which begins at midnight UTC." query:"since"`

	Until string `doc:"Stored before this moment." query:"until"`

	FromSeq uint64 `doc:"From this sequence of the log on." query:"from_seq"`

	User string `doc:"Of the user with this id." maxLength:"128" query:"user"`

	Session string `doc:"Of this session." maxLength:"128" query:"session"`

	Types []string `doc:"Of this type, such as session.revoked; may be repeated." maxItems:"16" query:"type,explode"`

	Cause string `doc:"Revocations for this cause, such as terminate." maxLength:"128" query:"cause"`

	Actor string `doc:"Revocations by the user with this id." maxLength:"128" query:"actor"`

	Limit uint64 `doc:"At most so many events; 0 is no limit." query:"limit"`

	Follow bool `doc:"Answer with server-sent events, and go on with what the log stores later." query:"follow"`

	LastEventID string `doc:"Sequence of the last event that you have; the answer begins after it." header:"Last-Event-Id"`

	Accept string `doc:"text/event-stream is the same as follow=true." header:"Accept"`

	Authorization string `header:"Authorization" hidden:"true"`

	headOnly, chunked bool
}

// Resolve notes what of the request is in no parameter. An empty parameter is one
// that somebody meant to fill in: it must not widen what is read.
func (in *input) Resolve(ctx huma.Context) []error {
	in.headOnly = ctx.Method() == http.MethodHead
	version := ctx.Version()
	in.chunked = version.ProtoMajor > 1 || version.ProtoMajor == 1 && version.ProtoMinor > 0
	u := ctx.URL()
	query := u.Query()
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if slices.Contains(query[name], "") {
			faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: "is empty: give it a value, or leave it out"})
		}
	}
	return faults
}

// format is that of the answer.
func (in *input) format() string {
	if in.Follow || accepts(in.Accept, typeSSE) {
		return formatSSE
	}
	return formatNDJSON
}

func accepts(header, wanted string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == wanted {
			return true
		}
	}
	return false
}

// query is what is asked for of a tenant's history. The error is a commands.Error
// that names the parameters.
func (in *input) query(tenant string) (replay.Query, error) {
	query := replay.Query{
		From: in.FromSeq, Tenant: tenant, User: in.User, Session: in.Session,
		Cause: events.Cause(in.Cause), Actor: in.Actor, Limit: in.Limit, Follow: in.format() == formatSSE,
	}
	for _, name := range in.Types {
		query.Types = append(query.Types, events.Type(name))
	}
	var faults []commands.Field
	moment := func(name, text string) (at time.Time) {
		if text == "" {
			return at
		}
		at, err := replay.ParseMoment(text)
		if err != nil {
			faults = append(faults, commands.Field{Name: "query." + name, Message: err.Error()})
		}
		return at
	}
	query.Since, query.Until = moment("since", in.Since), moment("until", in.Until)
	if in.LastEventID != "" {
		last, err := strconv.ParseUint(in.LastEventID, 10, 64)
		if err != nil || last+1 == 0 {
			faults = append(faults, commands.Field{Name: "header.Last-Event-ID", Message: "is not the id of an event, which is a number"})
		}
		query.From = last + 1
	}
	if query.Follow && in.Until != "" {
		faults = append(faults, commands.Field{Name: "query.until", Message: "leave it out to follow, or follow out to come to an end"})
	}
	if !in.chunked && !query.Follow {
		faults = append(faults, commands.Field{
			Name:    "protocol",
			Message: "ask with HTTP/1.1, also through proxies: in HTTP/1.0 an answer that breaks off looks whole",
		})
	}
	if err := commands.Invalid(faults...); err != nil {
		return query, err
	}
	return query, in.invalid(query.Validate())
}

// invalid says what a replay finds wrong with the query, nil if it does not.
func (in *input) invalid(err error) error {
	if !errors.Is(err, replay.ErrInvalidQuery) {
		return err
	}
	name := "query"
	switch {
	case in.LastEventID != "":
		name = "header.Last-Event-ID"
	case in.FromSeq != 0:
		name = "query.from_seq"
	}
	text := strings.TrimPrefix(err.Error(), replay.ErrInvalidQuery.Error()+": ")
	return commands.Invalid(commands.Field{Name: name, Message: fmt.Sprintf("%.512s", text)})
}
