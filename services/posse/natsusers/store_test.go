package natsusers_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/netfault"
)

// store is a hub and the server of a store, with a line between them.
type store struct {
	*site

	hub, leaf *natstest.Server
	line      *netfault.Line
	log       *natslog.Log
	issuer    *gatewaytest.Issuer
}

func newStore(t *testing.T) *store {
	t.Helper()
	return newStoreAt(newSite(t))
}

func newStoreAt(where *site) *store {
	t := where.t
	t.Helper()
	s := &store{site: where, issuer: gatewaytest.NewIssuer()}
	port := natstest.FreePort(t)
	s.hub = s.start("hub.conf", natstest.WithLeafListener(port))
	s.log = s.declare(s.hub.URL())
	s.relay(s.hub.URL())
	var err error
	s.line, err = netfault.Listen("127.0.0.1:0", func() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) })
	s.must(err)
	t.Cleanup(s.line.Close)
	s.line.Open()
	s.leaf = s.start("leaf.conf", natstest.WithLeafRemote(s.line.Address()))
	s.mirror()
	return s
}

// mirror does what `posse doctor --streams --mirror-of hub --apply` does, which
// TestDoctorSetsUpAStore runs.
func (s *store) mirror() {
	s.t.Helper()
	conn := s.connect(s.leaf.URL(), "store_operator")
	config := natslog.Config{Logger: quiet()}
	eventually(s.t, "the hub answers the store", func() bool {
		mirror, err := config.MirrorConfig(s.t.Context(), conn, "hub")
		if err != nil {
			s.t.Log(err)
			return false
		}
		s.must(natslog.Mirror(s.t.Context(), conn, config, mirror))
		return true
	})
}

func (s *store) gateway(name string, stale gateway.StalePolicy) *gateway.Gateway {
	s.t.Helper()
	g, err := gateway.New(s.t.Context(), gateway.Config{
		NATS:     gateway.NATS{URL: s.leaf.URL(), NKeyFile: s.seed("store_gateway")},
		Verifier: s.issuer.Verifier(), Stale: stale, ID: name, Tenant: "shop",
		TouchInterval: 200 * time.Millisecond, StatusInterval: time.Second, Logger: quiet(),
	})
	s.must(err)
	s.t.Cleanup(g.Close)
	return g
}

// admitted is what a request of the session is answered without an error.
const admitted gateway.Reason = ""

func (s *store) admit(g *gateway.Gateway, session string) gateway.Reason {
	_, err := g.Admit(s.issuer.Token("shop", "anna", session), gateway.Origin{})
	if denial, ok := errors.AsType[*gateway.Denial](err); ok {
		return denial.Reason
	}
	return admitted
}

// TestStore cuts the line between a store and its hub and mends it again.
func TestStore(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	gateways := map[string]*gateway.Gateway{
		"closed": s.gateway("closed", gateway.FailClosed),
		"open":   s.gateway("open", gateway.FailOpen),
		"grace":  s.gateway("grace", gateway.Grace(time.Hour)),
	}
	reported := s.reports()
	for name, g := range gateways {
		eventually(t, name+" is ready", func() bool { return g.Ready() == nil })
		if got := s.admit(g, "till-1"); got != admitted {
			t.Errorf("%s, before anything is ended: %s", name, got)
		}
	}
	s.touched("till-1", time.Time{})
	for name := range gateways {
		eventually(t, "the hub hears of "+name, func() bool { _, ok := reported.Load(name); return ok })
	}
	s.revoke(s.log, events.Key{Tenant: "shop", User: "anna", Session: "till-1"})
	for name, g := range gateways {
		eventually(t, name+" refuses till-1", func() bool { return s.admit(g, "till-1") == gateway.ReasonRevoked })
	}

	s.line.Cut()
	since := time.Now()
	for name, want := range map[string]gateway.Reason{
		"closed": gateway.ReasonStale, "open": admitted, "grace": admitted,
	} {
		eventually(t, name+" is stale", func() bool { return gateways[name].Stats().Stale })
		if got := s.admit(gateways[name], "till-2"); got != want {
			t.Errorf("%s, with the line cut, about till-2: %q, want %q", name, got, want)
		}
		if got := s.admit(gateways[name], "till-1"); got != gateway.ReasonRevoked {
			t.Errorf("%s, with the line cut, about till-1: %s", name, got)
		}
	}
	// One that starts now has the mirror, which proves nothing about its age.
	late := s.gateway("late", gateway.FailClosed)
	eventually(t, "late knows what the mirror has", func() bool { return late.Revoked("shop", "till-1") })
	if got := s.admit(late, "till-2"); got != gateway.ReasonNotReady {
		t.Errorf("late, with the line cut, about till-2: %q", got)
	}
	gateways["late"] = late
	s.revoke(s.log, events.Key{Tenant: "shop", User: "anna", Session: "till-2"})

	s.line.Open()
	healed := time.Now()
	for name, g := range gateways {
		eventually(t, name+" refuses till-2", func() bool { return s.admit(g, "till-2") == gateway.ReasonRevoked })
		eventually(t, name+" is fresh", func() bool { return !g.Stats().Stale })
	}
	t.Logf("caught up %v after the line was mended", time.Since(healed).Round(time.Millisecond))
	s.touched("till-2", since)
}

// TestStoreWhoseHubBeganAnew has a mirror of a stream that the hub does not have any
// more. What the hub revokes now may have numbers that the mirror has passed, so its
// gateways are stale until it is made anew.
func TestStoreWhoseHubBeganAnew(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	g := s.gateway("g", gateway.FailClosed)
	eventually(t, "it is ready", func() bool { return g.Ready() == nil })

	operator := s.connect(s.hub.URL(), "operator")
	s.must(operator.JetStream().DeleteStream(t.Context(), events.StreamRevocations))
	s.declare(s.hub.URL())
	s.revoke(s.log, events.Key{Tenant: "shop", User: "anna", Session: "till-1"})
	eventually(t, "it is stale", func() bool { return g.Stats().Stale })
	leaf := s.connect(s.leaf.URL(), "store_operator")
	passed := s.end(leaf)
	eventually(t, "the mirror takes up the new stream where it left the old", func() bool { return s.end(leaf) > passed+1 })
	if s.admit(g, "till-1") != gateway.ReasonStale {
		t.Error("it admits whom it cannot know about")
	}

	s.mirror()
	eventually(t, "it refuses till-1", func() bool { return s.admit(g, "till-1") == gateway.ReasonRevoked })
	eventually(t, "it is ready again", func() bool { return g.Ready() == nil })
}

// TestMirrorOfAServerThatTidiesUp is made although the server cannot make its directory
// at first, as when it still removes what an earlier stream left.
func TestMirrorOfAServerThatTidiesUp(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	conn := s.connect(s.leaf.URL(), "store_operator")
	s.must(conn.JetStream().DeleteStream(t.Context(), events.StreamRevocations))
	inTheWay := filepath.Join(s.leaf.Server().StoreDir(), "POSSE", "streams", events.StreamRevocations)
	eventually(t, "something is in the way", func() bool {
		return os.MkdirAll(filepath.Dir(inTheWay), 0o700) == nil && os.WriteFile(inTheWay, nil, 0o600) == nil
	})
	time.AfterFunc(300*time.Millisecond, func() { _ = os.Remove(inTheWay) })
	s.mirror()
	s.end(conn)
}

// TestStoreThatCannotAskTheHub has gateways that get the hub's ticks and may not ask
// how old they are.
func TestStoreThatCannotAskTheHub(t *testing.T) {
	t.Parallel()
	where := newSite(t)
	where.rewrite("leaf.conf", `"$JS.hub.API.STREAM.INFO.POS_REVOCATIONS"`+"\n", "\n")
	s := newStoreAt(where)
	g := s.gateway("g", gateway.FailClosed)
	s.revoke(s.log, events.Key{Tenant: "shop", User: "anna", Session: "till-1"})
	eventually(t, "it knows of till-1", func() bool { return g.Revoked("shop", "till-1") })

	leaf := s.connect(s.leaf.URL(), "store_operator")
	before := s.end(leaf)
	eventually(t, "more ticks have come", func() bool { return s.end(leaf) > before+2 })
	if g.Ready() == nil {
		t.Error("it is ready, and the mirror may be of any age")
	}
}

// mirrored is the last sequence of the mirror.
func (s *store) mirrored() uint64 {
	s.t.Helper()
	return s.end(s.connect(s.leaf.URL(), "store_operator"))
}

// end is the last sequence of POS_REVOCATIONS on a server.
func (s *store) end(conn *bus.Conn) uint64 {
	s.t.Helper()
	stream, err := conn.JetStream().Stream(s.t.Context(), events.StreamRevocations)
	s.must(err)
	return stream.CachedInfo().State.LastSeq
}

// touched waits until the hub has a touch of a session, later than a moment.
func (s *store) touched(session string, after time.Time) {
	s.t.Helper()
	key := events.Key{Tenant: "shop", User: "anna", Session: session}
	eventually(s.t, "the hub hears that "+session+" was active", func() bool {
		touch, err := s.log.LastTouch(s.t.Context(), key)
		return err == nil && touch.Event.(events.Touched).EventTimestamp.Time().After(after)
	})
}

// reports collects which gateways report to the hub.
func (s *store) reports() *sync.Map {
	s.t.Helper()
	var seen sync.Map
	stop, err := s.connect(s.hub.URL(), "query").Subscribe(events.GatewayStatusWildcard, func(_ string, data []byte) {
		var status events.GatewayStatus
		if json.Unmarshal(data, &status) == nil {
			seen.Store(status.Gateway, status.Applied)
		}
	})
	s.must(err)
	s.t.Cleanup(stop)
	return &seen
}
