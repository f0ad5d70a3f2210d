package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/services/gateway"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	issuer := gatewaytest.NewIssuer()
	good := sdk.Config{Feed: gatewaytest.NewFeed(), Verifier: issuer.Verifier(), Stale: sdk.FailClosed}
	hooked := good
	hooked.Hooks.Revoked = func(string, string) {}
	for name, config := range map[string]gateway.Config{
		"no policy":          {},
		"upstream is no URL": {Gateway: good, Upstream: &url.URL{Scheme: "ftp", Host: "example"}},
		"somebody's hook":    {Gateway: hooked},
	} {
		if _, err := gateway.New(t.Context(), config); err == nil {
			t.Errorf("%s: New succeeds", name)
		}
	}
	if err := gateway.Run(t.Context(), gateway.Config{Gateway: good}); err == nil {
		t.Error("Run succeeds without a listener")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer, feed := gatewaytest.NewIssuer(), gatewaytest.NewFeed()
	verifier := issuer.Verifier()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- gateway.Run(ctx, gateway.Config{
			Gateway:  sdk.Config{Feed: feed, Verifier: verifier, Stale: sdk.FailClosed},
			Listener: listener, Logger: slog.New(slog.DiscardHandler),
		})
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+"/authz/forward-auth", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+issuer.Token("shop", "anna", "s1"))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "admitted", func() bool {
		answer, err := client.Do(request)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if len(feed.Touches()) != 1 {
		t.Errorf("%d touches were stored at the end, want 1", len(feed.Touches()))
	}
}
