package query

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/services/query/reads"
)

// ReadInput is what every read takes.
type ReadInput struct {
	WaitFor uint64 `doc:"Answer when this position in the log shows, such as the one that a DELETE answered." query:"wait_for"`

	Wait float64 `default:"5" doc:"Seconds to wait for it, then 503 with the reason behind." maximum:"30" minimum:"0" query:"wait"`

	IfNoneMatch string `doc:"ETag of the answer that you have: 304 if nothing changed." header:"If-None-Match"`
}

// AsOfInput is what a read takes that can answer for a past moment.
type AsOfInput struct {
	AsOf time.Time `doc:"Answer for this past moment (RFC 3339), after 1970, instead of now." query:"as_of"`
}

// Resolve refuses moments before there were any. The zero time is among them, and
// would be answered as if nobody had asked for a moment.
func (in *AsOfInput) Resolve(ctx huma.Context) []error {
	if _, err := time.Parse(time.RFC3339, ctx.Query("as_of")); err != nil || in.AsOf.Unix() > 0 {
		return nil // nobody asked, or it is refused already
	}
	return []error{&huma.ErrorDetail{Location: "query.as_of", Message: "lies before 1970, when nothing was recorded"}}
}

// Freshness is in every answer.
type Freshness struct {
	Position uint64 `doc:"Position in the log that this answer shows." json:"position"`

	Age *float64 `doc:"Seconds since this answer was known to show the end of the log; null if it never was." json:"age"`

	AsOf string `doc:"The moment that this answer is for." format:"date-time" json:"as_of"`
}

// Answer is a read's answer.
type Answer[T any] struct {
	Status       int
	ETag         string `header:"ETag"` //nolint:tagliatelle // RFC 9110 spells it so
	Position     string `header:"Posse-Position"`
	Age          string `header:"Posse-Age"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         T
}

// reply finishes an answer. Content is the body without its freshness, which
// changes all the time: the ETag is of the content alone, and so a weak one
// (RFC 9110 §8.8.1).
func reply[T any](input *ReadInput, body T, content any, f Freshness) (*Answer[T], error) {
	etag, err := etagOf(content)
	if err != nil {
		return nil, err
	}
	answer := &Answer[T]{
		Status:       http.StatusOK,
		ETag:         etag,
		Position:     strconv.FormatUint(f.Position, 10),
		CacheControl: "private, no-cache",
		Vary:         "Authorization",
		Body:         body,
	}
	if f.Age != nil {
		answer.Age = strconv.FormatFloat(*f.Age, 'f', 3, 64)
	}
	if matches(input.IfNoneMatch, etag) {
		answer.Status = http.StatusNotModified
	}
	return answer, nil
}

func etagOf(content any) (string, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`, nil
}

// matches compares weakly (RFC 9110 §13.1.2).
func matches(ifNoneMatch, etag string) bool {
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// freshness says what a read showed and for which moment.
func freshness(l *reads.Lens, f activesessions.Freshness) Freshness {
	fresh := Freshness{Position: f.Position, AsOf: stamp(l.At)}
	if !f.AsOf.IsZero() {
		// Two clocks may differ by more than the age.
		age := max(0, l.Now.Sub(f.AsOf)).Round(time.Millisecond).Seconds()
		fresh.Age = &age
	}
	return fresh
}

// await returns when the position that a read asks for shows.
func (s *Service) await(ctx context.Context, input *ReadInput) error {
	if input.WaitFor == 0 {
		return nil
	}
	limit := min(time.Duration(input.Wait*float64(time.Second)), s.config.WaitLimit)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.reads.WaitFor(ctx, input.WaitFor)
}

// stamp writes a time as RFC 3339 in UTC to the millisecond.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
