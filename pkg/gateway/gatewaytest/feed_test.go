package gatewaytest_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

func TestStepsAreForEveryGateway(t *testing.T) {
	t.Parallel()
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	first, second := start(feed, issuer, nil), start(feed, issuer, nil)
	defer first.Close()
	defer second.Close()

	if feed.Step() {
		t.Error("a feed that is not frozen has something to step to")
	}
	feed.Freeze()
	feed.Revoke("shop", "session-1")
	if first.Revoked("shop", "session-1") || second.Revoked("shop", "session-1") {
		t.Error("a frozen feed delivers")
	}
	if !feed.Step() || !first.Revoked("shop", "session-1") || !second.Revoked("shop", "session-1") {
		t.Error("a step does not reach every gateway")
	}
	if feed.Step() {
		t.Error("a step is left after the last one")
	}
	feed.Revoke("shop", "session-2")
	feed.Thaw()
	if !first.Revoked("shop", "session-2") {
		t.Error("thawing does not deliver what was held back")
	}
}

func TestWhatWasSentBeforeIsNotHeldBack(t *testing.T) {
	t.Parallel()
	feed, issuer := gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	feed.Revoke("shop", "session-1")
	feed.Freeze()
	feed.Revoke("shop", "session-2")
	g, err := gateway.New(t.Context(), gateway.Config{
		Feed: feed, Verifier: issuer.Verifier(), Stale: gateway.FailClosed, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for !g.Revoked("shop", "session-1") {
		<-time.After(time.Millisecond)
	}
	if g.Revoked("shop", "session-2") {
		t.Error("a frozen feed delivers to a gateway that begins to follow")
	}
	if !feed.Step() || !g.Revoked("shop", "session-2") {
		t.Error("a step does not reach a gateway that began to follow a frozen feed")
	}
}

func TestRecreateForgetsWhatWasHeldBack(t *testing.T) {
	t.Parallel()
	feed := gatewaytest.NewFeed()
	feed.Freeze()
	feed.Revoke("shop", "session-1")
	feed.Recreate()
	if feed.Step() {
		t.Error("the stream was made anew and still has the old one's revocation")
	}
}
