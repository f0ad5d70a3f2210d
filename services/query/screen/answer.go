package screen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/reads"
	"github.com/posse-pos/posse/services/query/screen/words"
)

// answer has an error shown as a page, or in the place of what was asked for.
func (s *Screen) answer(operation string, show func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		if err := show(answer, r); err != nil {
			s.fail(answer, r, err)
		}
		s.config.Observe(operation, cmp.Or(answer.Status(), clientGone), time.Since(began))
	}
}

// clientGone is what is counted when somebody closed the page before the answer,
// as nginx does.
const clientGone = 499

// target is the element that a request of a script is for, "" if the whole page
// was asked for.
func target(r *http.Request) string {
	if r.Header.Get("Hx-Request") == "" || r.Header.Get("Hx-History-Restore-Request") != "" {
		return ""
	}
	_, id, _ := strings.Cut(r.Header.Get("Hx-Target"), "#")
	return id
}

// IsActivity reports whether a request says that somebody is there: not those
// that an open screen makes by itself.
func IsActivity(r *http.Request) bool {
	return r.URL.Path != "/live" && !refreshing(r)
}

// refreshing reports whether an open screen asks by itself.
func refreshing(r *http.Request) bool { return r.URL.Query().Has("refresh") }

// look is who looks, and at which moment, and the context to look in.
func (s *Screen) look(r *http.Request, at time.Time) (context.Context, *reads.Lens, error) {
	viewer, ok := principal.From(r.Context())
	if !ok {
		return nil, nil, commands.ErrUnauthenticated
	}
	ctx, source := r.Context(), s.reads
	if refreshing(r) {
		// The position that the screen shows already.
		position, _ := strconv.ParseUint(r.URL.Query().Get("refresh"), 10, 64)
		ctx, source = atLeast(ctx, position), s.refreshes
	}
	l, err := source.Look(viewer, at)
	return ctx, l, err
}

// nowHeader is when an answer was made, in Unix milliseconds. A script takes an
// answer without it for a proxy's or somebody else's, and shows it to nobody.
const nowHeader = "Posse-Now"

// render writes a template. Nothing is sent before it is complete, so an error
// can still be shown.
func (s *Screen) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	var page bytes.Buffer
	if err := s.templates[languageOf(r)].ExecuteTemplate(&page, name, data); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set(nowHeader, strconv.FormatInt(s.config.Now().UnixMilli(), 10))
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie, HX-Request, HX-Target")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the browser may be gone
	return nil
}

// failure is an error as a person sees it.
type failure struct {
	page

	Title, Text string
	RequestID   string
	Retry       string // address to try again; "" if that would be in vain
}

// fail shows an error: in the pane that was asked for, or as a page.
func (s *Screen) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody waits for it
	}
	problem := httpapi.ProblemOf(err)
	if problem.Status >= http.StatusInternalServerError {
		s.config.Logger.Error("page failed", "path", r.URL.Path, "request_id", httpapi.RequestID(r.Context()), "error", err)
	}
	f := failure{page: s.frame(r), RequestID: httpapi.RequestID(r.Context()), Retry: r.URL.RequestURI()}
	if ctx, l, err := s.look(r, time.Time{}); err == nil && problem.Status < http.StatusInternalServerError {
		f.nameYou(ctx, l) //nolint:contextcheck // it is the request's
	}
	f.Title, f.Text = failureTexts(languageOf(r), problem)
	if r.Method == http.MethodPost {
		f.Retry = intentOf(r.PostForm).URL() // to be asked again, for it is not known what was done
	}
	if e, ok := errors.AsType[*unseenError](err); ok {
		f.Title, f.Text = f.Language.Say("failure.ended.title"), e.outcome.Sentence()+" "+f.Language.Say("failure.ended.text")
		f.Retry = place{User: r.PostForm.Get("user")}.URL()
	}
	if problem.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(1))
	}
	name := "failure"
	if pane := target(r); pane != "" {
		name = "failure-in-pane"
		f.Pane = pane
	}
	s.showFailure(w, r, problem.Status, name, &f)
}

func (s *Screen) showFailure(w http.ResponseWriter, r *http.Request, status int, name string, f *failure) {
	if err := s.render(w, r, status, name, f); err != nil {
		s.config.Logger.Error("failure page failed", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

func failureTexts(l *words.Language, problem *httpapi.Problem) (title, text string) {
	id := "failure.internal"
	switch commands.Reason(problem.Reason) {
	case commands.ReasonNotFound:
		id = "failure.not_found"
	case commands.ReasonForbidden:
		id = "failure.forbidden"
	case commands.ReasonInvalid:
		id = "failure.invalid"
	case commands.ReasonSessionEnded, commands.ReasonSessionExpired, commands.ReasonSessionExists, commands.ReasonIdempotencyReused:
		id = "failure.conflict"
	case commands.ReasonBusy, commands.ReasonUnavailable, commands.ReasonBehind, commands.ReasonStorageFull:
		id = "failure.unavailable"
	default:
	}
	return l.Say(id + ".title"), l.Say(id + ".text")
}
