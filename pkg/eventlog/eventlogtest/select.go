package eventlogtest

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Selected reads all of a selection, and holds its pages to what is said of them.
func Selected(t testing.TB, log eventlog.Selector, selection eventlog.Selection) []eventlog.Recorded {
	t.Helper()
	var all []eventlog.Recorded
	for batch, err := range log.Scan(t.Context(), selection) {
		if err != nil {
			t.Fatalf("scan %+v: %v", selection, err)
		}
		if n := len(batch.Events); n > selection.Limit || n > 0 && batch.End.ID != batch.Events[n-1].ID {
			t.Fatalf("a page of %d, of at most %d, says that it ends at %+v", n, selection.Limit, batch.End)
		}
		all = append(all, batch.Events...)
	}
	return all
}

func (s *suite) selected(selection eventlog.Selection) []eventlog.Recorded {
	s.t.Helper()
	return Selected(s.t, s.Log, selection)
}

func testSelect(t *testing.T, s *suite) {
	const rounds = 30
	ann, everybody := make([]events.Envelope, 0, rounds+1), make([]events.Envelope, 0, 2*rounds+1)
	for range rounds {
		round := []events.Envelope{s.fact("ann"), s.fact("bob")}
		for _, fact := range round {
			s.append(nil, fact)
		}
		ann, everybody = append(ann, round[0]), append(everybody, round...)
	}
	elsewhere := envelope("elsewhere", events.LoggedIn{
		Key:            events.Key{Tenant: "other", User: "ann", Session: "s"},
		EventTimestamp: events.TimestampOf(moment), Created: events.TimestampOf(moment), Expires: events.TimestampOf(moment.Add(time.Hour)),
	})
	s.append(nil, elsewhere)

	s.wantIDs(s.selected(eventlog.Selection{Limit: 7}), append(everybody, elsewhere)...)
	s.wantIDs(s.selected(eventlog.Selection{Tenant: tenant, Limit: 7}), everybody...)
	s.wantIDs(s.selected(eventlog.Selection{Tenant: tenant, User: "ann", Limit: 7}), ann...)
	s.wantIDs(s.selected(eventlog.Selection{User: "ann", Limit: 7}), append(ann, elsewhere)...)
	s.wantIDs(s.selected(eventlog.Selection{Tenant: tenant, User: "ann", From: 2, UpTo: 7, Limit: 2}), ann[1:4]...)
	s.wantIDs(s.selected(eventlog.Selection{Tenant: "nobody's", Limit: 7}))
	s.wantIDs(s.selected(eventlog.Selection{From: 2*rounds + 2, Limit: 7}))
	s.wantIDs(s.selected(eventlog.Selection{Limit: 2}), append(everybody, elsewhere)...) // in many pages
	s.wantIDs(s.selected(eventlog.Selection{Tenant: tenant, User: "ann", From: 2, UpTo: 55, Limit: 1}), ann[1:28]...)
	for _, err := range s.Log.Scan(s.ctx, eventlog.Selection{}) {
		if err == nil {
			t.Fatal("a selection of no messages was no error")
		}
	}
}

func testSelectBroken(t *testing.T, s *suite) {
	s.append(nil, s.fact("ann"))
	s.Inject(events.Message{Subject: events.SessionSubject(tenant, "ann"), Data: []byte("{")})
	s.Inject(events.Message{Subject: "pos.v1.session.stray.ann.device", Data: []byte("{")})

	facts := s.selected(eventlog.Selection{Tenant: tenant, Limit: 10})
	if len(facts) != 2 {
		t.Fatalf("the tenant has %d messages, want 2", len(facts))
	}
	unknown, ok := facts[1].Event.(events.Unknown)
	if !ok || unknown.User != "ann" || string(unknown.Message.Data) != "{" {
		t.Fatalf("a broken message came out as %+v", facts[1])
	}
	if all := s.selected(eventlog.Selection{Limit: 10}); len(all) != 3 {
		t.Fatalf("the log has %d messages, want 3: one is on a subject of no user", len(all))
	}
}

func testSequenceAt(t *testing.T, s *suite) {
	at := func(moment time.Time) uint64 {
		t.Helper()
		sequence, err := s.Log.SequenceAt(s.ctx, events.StreamSessions, moment)
		if err != nil {
			t.Fatal(err)
		}
		return sequence
	}
	if got := at(moment); got != 1 {
		t.Fatalf("an empty log starts at %d", got)
	}
	for range 5 {
		s.append(nil, s.fact("ann"))
	}
	facts := s.user("ann", 0)
	for i, fact := range facts {
		if got := at(fact.Time); got > fact.Sequence || i > 0 && got <= facts[i-1].Sequence && fact.Time.After(facts[i-1].Time) {
			t.Fatalf("message %d, stored at %s, was found at %d", fact.Sequence, fact.Time, got)
		}
	}
	if got := at(facts[0].Time.Add(-time.Hour)); got != 1 {
		t.Fatalf("before the first: %d, want 1", got)
	}
	if got := at(facts[4].Time.Add(time.Nanosecond)); got != 6 {
		t.Fatalf("after the last: %d, want 6", got)
	}
}
