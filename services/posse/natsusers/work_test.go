package natsusers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// The scripts of services/posse have recorder, projector, query and a gateway of all
// tenants do all their work with these permissions. Here are the others.

func TestAnAuditorReadsTheHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nats := s.start("nats.conf")
	s.revoke(s.declare(nats.URL()), events.Key{Tenant: "shop", User: "anna", Session: "till-1"})
	log, err := natslog.Open(t.Context(), s.connect(nats.URL(), "auditor"), natslog.Config{Logger: quiet()})
	s.must(err)
	batch, err := log.Read(t.Context(), events.StreamSessions, 1, 10)
	if err != nil || len(batch.Events) != 1 || batch.Pending != 0 {
		t.Errorf("an auditor reads %d facts, %d pending: %v", len(batch.Events), batch.Pending, err)
	}
	if facts := eventlogtest.Selected(t, log, eventlog.Selection{Tenant: "shop", User: "anna", Limit: 10}); len(facts) != 1 {
		t.Errorf("an auditor selects %d facts", len(facts))
	}
	if first, err := log.SequenceAt(t.Context(), events.StreamSessions, batch.Events[0].Time); err != nil || first != 1 {
		t.Errorf("an auditor finds the first fact at %d: %v", first, err)
	}
	if stored, err := log.Stored(t.Context(), events.StreamSessions, 1, 10); err != nil || len(stored) != 1 {
		t.Errorf("an auditor reads %d messages as they are stored: %v", len(stored), err)
	}
	if _, err := log.State(t.Context(), events.StreamTouches); !errors.Is(err, natslog.ErrDenied) {
		t.Errorf("an auditor looks at all activity: %v", err)
	}
}

func TestAnAuditorNotesWhoReads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nats := s.start("nats.conf")
	s.declare(nats.URL())
	log, err := natslog.Open(t.Context(), s.connect(nats.URL(), "auditor"), natslog.Config{Logger: quiet()})
	s.must(err)
	read := events.AuditEnvelope{ID: "read", Source: "/posse/test", Fact: events.AuditRead{Tenant: "shop", Via: events.ViaCLI}}
	if sequence, err := log.Note(t.Context(), read); err != nil || sequence != 1 {
		t.Errorf("an auditor notes a read as %d: %v", sequence, err)
	}
	if notes, err := log.Notes(t.Context(), 1, 10); err != nil || len(notes) != 1 {
		t.Errorf("an auditor reads %d notes: %v", len(notes), err)
	}
}

func TestAGatewayOfOneTenantReportsItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nats := s.start("nats.conf")
	log := s.declare(nats.URL())
	s.relay(nats.URL())
	issuer := gatewaytest.NewIssuer()
	g, err := gateway.New(t.Context(), gateway.Config{
		NATS: gateway.NATS{URL: nats.URL(), NKeyFile: s.seed("gateway_shop")}, Verifier: issuer.Verifier(),
		Stale: gateway.FailClosed, TouchInterval: 100 * time.Millisecond, Logger: quiet(),
	})
	s.must(err)
	t.Cleanup(g.Close)
	eventually(t, "it is ready", func() bool { return g.Ready() == nil })
	for _, tenant := range []string{"other", "shop"} {
		_, err := g.Admit(issuer.Token(tenant, "anna", "till-1"), gateway.Origin{})
		s.must(err)
	}
	key := events.Key{Tenant: "shop", User: "anna", Session: "till-1"}
	eventually(t, "its touch is stored", func() bool { _, err := log.LastTouch(t.Context(), key); return err == nil })
	s.revoke(log, key)
	eventually(t, "it refuses", func() bool { return g.Revoked("shop", "till-1") })
	eventually(t, "the other tenant's touch is refused", func() bool { return g.Stats().TouchesFailed > 0 })
	key.Tenant = "other"
	if _, err := log.LastTouch(t.Context(), key); !errors.Is(err, eventlog.ErrNotFound) {
		t.Errorf("the touch of another tenant: %v, want ErrNotFound", err)
	}
}
