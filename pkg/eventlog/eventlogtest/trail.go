package eventlogtest

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// note is that somebody read the history of a tenant.
func note(id, ofTenant string) events.AuditEnvelope {
	return events.AuditEnvelope{ID: id, Source: "/posse/test", Time: moment, Fact: events.AuditRead{
		Tenant: ofTenant, EventTimestamp: events.TimestampOf(moment), Via: events.ViaAPI, Kind: "auditor", Format: "ndjson",
	}}
}

func (s *suite) note(fact events.AuditEnvelope) uint64 {
	s.t.Helper()
	sequence, err := s.Trail.Note(s.ctx, fact)
	if err != nil {
		s.t.Fatalf("note %q: %v", fact.ID, err)
	}
	return sequence
}

// notes reads page by page.
func (s *suite) notes(from uint64, limit int) []eventlog.Noted {
	s.t.Helper()
	var all []eventlog.Noted
	for {
		page, err := s.Trail.Notes(s.ctx, from, limit)
		if err != nil {
			s.t.Fatalf("notes from %d: %v", from, err)
		}
		if len(page) == 0 {
			return all
		}
		if len(page) > limit {
			s.t.Fatalf("a page of at most %d has %d notes", limit, len(page))
		}
		all = append(all, page...)
		from = page[len(page)-1].Sequence + 1
	}
}

func testTrail(t *testing.T, s *suite) {
	if got := s.notes(0, 10); len(got) != 0 {
		t.Fatalf("an empty trail has %d notes", len(got))
	}
	tenants := []string{tenant, "other", ""}
	for i := range 10 {
		if got, want := s.note(note(fmt.Sprintf("note-%d", i), tenants[i%3])), uint64(i+1); got != want {
			t.Fatalf("note %d has sequence %d, want %d", i, got, want)
		}
	}
	s.append(nil, s.fact("ann"))
	all := s.notes(1, 3)
	if len(all) != 10 {
		t.Fatalf("got %d notes, want 10", len(all))
	}
	for i, noted := range all {
		want := fmt.Sprintf("note-%d", i)
		if noted.ID != want || noted.Sequence != uint64(i+1) || !reflect.DeepEqual(noted.Fact, note(want, tenants[i%3]).Fact) {
			t.Fatalf("note %d is %+v", i, noted)
		}
	}
	if last := s.notes(10, 10); len(last) != 1 || last[0].ID != "note-9" {
		t.Fatalf("from the tenth on there are %d notes", len(last))
	}
	if _, err := s.Trail.Notes(s.ctx, 1, 0); err == nil {
		t.Fatal("a page of no notes was no error")
	}
	if _, err := s.Trail.Note(s.ctx, events.AuditEnvelope{ID: "x", Fact: events.RetentionSwept{}}); err == nil {
		t.Fatal("a sweep of no tenant was no error")
	}
}

func testTrailRepeated(t *testing.T, s *suite) {
	first := s.note(note("note", tenant))
	s.note(note("another", tenant))
	if again := s.note(note("note", tenant)); again != first {
		t.Fatalf("a note that was repeated has sequence %d, want %d", again, first)
	}
	if all := s.notes(1, 10); len(all) != 2 {
		t.Fatalf("there are %d notes, want 2", len(all))
	}
}

func testTrailBroken(t *testing.T, s *suite) {
	s.Inject(events.Message{Subject: events.AuditSubject(tenant), Data: []byte("{")})
	s.note(note("note", tenant))
	all := s.notes(1, 10)
	if len(all) != 2 {
		t.Fatalf("there are %d notes, want 2", len(all))
	}
	unknown, ok := all[0].Fact.(events.UnknownAudit)
	if !ok || unknown.Tenant != tenant || unknown.Type != "" || string(unknown.Message.Data) != "{" {
		t.Fatalf("a broken message came out as %+v", all[0])
	}
}
