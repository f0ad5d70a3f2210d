package gateway_test

import (
	"context"
	"go/doc/comment"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// What the documentation of the packages shows is below, so that it compiles. This
// does not run: there is no pos.example.
var _ = inAMinute

func inAMinute(handler http.Handler) error {
	ctx := context.Background()
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset:  tokens.Posse,
		Issuer:  "https://pos.example",
		JWKSURL: "https://pos.example/.well-known/jwks.json",
	})
	if err != nil {
		return err
	}
	defer verifier.Close()

	g, err := gateway.New(ctx, gateway.Config{
		NATS:     gateway.NATS{URL: "nats://nats.example:4222", CredsFile: "gateway.creds"},
		Verifier: verifier,
		Stale:    gateway.Grace(15 * time.Minute),
	})
	if err != nil {
		return err
	}
	defer g.Close()

	server := &http.Server{Addr: ":8080", Handler: g.Middleware(handler), ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

func TestWhoIsAsking(t *testing.T) {
	t.Parallel()
	r := &http.Request{}
	r = r.WithContext(gateway.NewContext(t.Context(), gateway.Session{User: "anna"}))
	session, ok := gateway.FromContext(r.Context())
	if !ok || session.User != "anna" {
		t.Errorf("%+v, %t; want anna", session, ok)
	}
}

func TestStepByStep(t *testing.T) {
	t.Parallel()
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	clock := gatewaytest.NewClock()
	feed.Now, issuer.Now = clock.Now, clock.Now
	g, err := gateway.New(t.Context(), gateway.Config{
		Feed: feed, Verifier: issuer.Verifier(), Now: clock.Now, Stale: gateway.FailClosed,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	gatewaytest.WaitReady(t, g)
	token := issuer.Token("shop", "anna", "session-1")

	feed.Revoke("shop", "session-1") // from here on the token is refused with 401
	clock.Advance(time.Minute)       // the gateway is stale: other tokens are refused with 503
	feed.Tick()                      // and now it is not

	_, err = g.Check(token)
	if got := reason(err); got != gateway.ReasonRevoked {
		t.Errorf("the token of a revoked session is decided with %q", got)
	}
	_, err = g.Check(issuer.Token("shop", "anna", "session-2"))
	if got := reason(err); got != gateway.ReasonAllowed {
		t.Errorf("the token of another session is decided with %q", got)
	}
}

// TestShownCodeCompiles finds each piece of code of the documentation in this file.
func TestShownCodeCompiles(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("guide_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := unindented(string(source))
	for _, dir := range []string{".", "tokens", "gatewaytest"} {
		file, err := parser.ParseFile(gotoken.NewFileSet(), filepath.Join(dir, "doc.go"), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		pieces := shownCode(file.Doc.Text())
		if len(pieces) == 0 {
			t.Errorf("%s/doc.go shows no code", dir)
		}
		for _, piece := range pieces {
			if !strings.Contains(compiled, unindented(piece)) {
				t.Errorf("%s/doc.go shows code that guide_test.go does not have:\n%s", dir, piece)
			}
		}
	}
}

// shownCode returns the pieces of code of a documentation, but for what is under the
// heading Permissions, which is subjects of NATS.
func shownCode(documentation string) (pieces []string) {
	var heading string
	for _, block := range new(comment.Parser).Parse(documentation).Content {
		switch block := block.(type) {
		case *comment.Heading:
			heading = string(block.Text[0].(comment.Plain))
		case *comment.Code:
			if heading != "Permissions" {
				pieces = append(pieces, block.Text)
			}
		}
	}
	return pieces
}

// unindented returns the lines of code that are not empty, without what they begin
// with.
func unindented(code string) string {
	var lines strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			lines.WriteString(line + "\n")
		}
	}
	return lines.String()
}
