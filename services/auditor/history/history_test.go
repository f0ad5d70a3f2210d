package history_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/auditor/history"
	"github.com/posse-pos/posse/services/auditor/replay"
)

func TestTheBytesAreThoseOfReplay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rounds(450) // more than a page of the tenant's
	at := func(sequence uint64) time.Time {
		batch, err := s.log.Read(s.ctx, events.StreamSessions, sequence, 1)
		if err != nil {
			t.Fatal(err)
		}
		return batch.Events[0].Time
	}
	since, until := at(11), at(900)
	for path, query := range map[string]replay.Query{
		"": {},
		"?user=ann&limit=7&type=session.revoked&type=session.logged_in": {
			User: "ann", Limit: 7, Types: []events.Type{events.TypeRevoked, events.TypeLoggedIn},
		},
		"?from_seq=2000&session=s-440&follow=false":         {From: 2000, Session: "s-440"},
		"?cause=terminate&actor=anna":                       {Cause: events.CauseTerminate, Actor: "anna"},
		"?user=zoe":                                         {User: "zoe"}, // of another tenant
		"?until=2020-01-01":                                 {Until: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
		"?since=2020-01-01T00:00:00%2B02:00&user=bob":       {User: "bob"},
		"?since=" + stamp(since):                            {Since: since},
		"?since=" + stamp(since) + "&until=" + stamp(until): {Since: since, Until: until},
	} {
		query.Tenant = "shop"
		status, header, body := s.get("auditor", "/v1/events"+path, "Accept", "application/x-ndjson")
		if want := s.replayed(query); status != http.StatusOK || body != want {
			t.Errorf("%s: %d, %d bytes, want %d as of replay", path, status, len(body), len(want))
		}
		if kind := header.Get("Content-Type"); kind != "application/x-ndjson" {
			t.Errorf("%s is %s", path, kind)
		}
	}
}

func stamp(at time.Time) string { return url.QueryEscape(at.Format(time.RFC3339Nano)) }

// TestATenantSeesItsOwn: also by the id of a user that exists in both.
func TestATenantSeesItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rounds(3)
	for _, path := range []string{"/v1/events", "/v1/events?user=ann", "/v1/events?user=zoe", "/v1/events?session=s-1"} {
		for bearer, other := range map[string]string{"auditor": "other", "admin": "other", "foreign": "shop"} {
			if _, _, body := s.get(bearer, path); strings.Contains(body, `"tenant":"`+other+`"`) || strings.Contains(body, "<"+other+">") {
				t.Errorf("%s as %s shows the other tenant:\n%s", path, bearer, body)
			}
		}
	}
	if _, _, body := s.get("foreign", "/v1/events?user=ann"); strings.Count(body, "\n") != 3 {
		t.Errorf("the other tenant's ann has\n%s", body)
	}
	s.refused(http.StatusUnprocessableEntity, "auditor", "/v1/events?tenant=other", "tenant")
	list, _ := s.follow("foreign", "/v1/events?follow=true&user=ann")
	for range 3 {
		if e := s.next(list); !strings.Contains(e.data, `"tenant":"other"`) {
			t.Errorf("an event of the other tenant is %+v", e)
		}
	}
}

func TestWhoMayNotRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rounds(1)
	for bearer, want := range map[string]int{"user": 403, "backend": 403, "nobody": 401, "": 401} {
		for _, path := range []string{"/v1/events", "/v1/events?user=ann", "/v1/events?follow=true"} {
			s.refused(want, bearer, path)
		}
	}
	if reads := s.reads(); len(reads) != 0 {
		t.Errorf("what was refused is recorded as read: %+v", reads)
	}
}

func TestEachReadIsRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rounds(2)
	s.get("auditor", "/v1/events?since=2020-01-01&until=2090-01-01T10:00:00.5Z&from_seq=2&user=ann&session=s-1&type=session.revoked&cause=terminate&actor=anna&limit=9")
	list, _ := s.follow("admin", "/v1/events", "Accept", "text/event-stream", "Last-Event-ID", "3")
	if e := s.next(list); e.id != "5" {
		t.Fatalf("first event %+v", e)
	}
	s.ask(t.Context(), http.MethodHead, "auditor", "/v1/events").Body.Close()
	want := []events.AuditRead{
		{
			Tenant: "shop", Via: events.ViaAPI, Kind: "auditor", Actor: events.AuditReader{User: "otto", Session: "otto-1"},
			Filter: events.AuditFilter{
				Since: "2020-01-01T00:00:00Z", Until: "2090-01-01T10:00:00.5Z", FromSeq: 2, User: "ann", Session: "s-1",
				Types: []string{"session.revoked"}, Cause: "terminate", Actor: "anna", Limit: 9,
			},
			Format: "ndjson", Personal: events.AuditReadPersonal{ActorIP: "127.0.0.1"},
		},
		{
			Tenant: "shop", Via: events.ViaAPI, Kind: "admin", Actor: events.AuditReader{User: "anna", Session: "anna-1"},
			Filter: events.AuditFilter{FromSeq: 4}, Format: "sse", Follow: true, Personal: events.AuditReadPersonal{ActorIP: "127.0.0.1"},
		},
	}
	got := s.reads()
	for i := range got {
		if age := time.Since(got[i].EventTimestamp.Time()); age < 0 || age > patience {
			t.Errorf("read %d was recorded for %s", i, got[i].EventTimestamp.Time())
		}
		got[i].EventTimestamp = 0
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("recorded\n%+v\nwant\n%+v", got, want)
	}
}

func TestWhatCannotBeRecordedIsNotRead(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{pages: 1}, Trail: pad{err: errFull}})
	for _, path := range []string{"/v1/events", "/v1/events?follow=true"} {
		header := a.refused(http.StatusServiceUnavailable, "auditor", path, "nothing was read, since reading the history is recorded")
		if header.Get("Retry-After") == "" {
			t.Errorf("%s does not say when to try again", path)
		}
	}
	if a.metric("posse_history_streams", "") != 0 {
		t.Error("what was refused still counts as under way")
	}
}

func TestBadParametersAreNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rounds(1)
	for query, texts := range map[string][]string{
		"since=yesterday":                        {"query.since", `\"yesterday\" is not a time such as 2026-03-14T09:26:53Z`},
		"until=1773480413":                       {"query.until", "is not a time"},
		"since=2026-03-02&until=2026-03-01":      {"since 2026-03-02T00:00:00Z is not before until 2026-03-01T00:00:00Z"},
		"follow=true&until=2026-03-01":           {"query.until", "leave it out to follow"},
		"from_seq=-1":                            {"query.from_seq"},
		"from_seq=1000":                          {"query.from_seq", "the log ends at 5, before sequence 1000"},
		"limit=many":                             {"query.limit"},
		"user=":                                  {"query.user", "is empty: give it a value, or leave it out"},
		"user=" + strings.Repeat("x", 129):       {"query.user"},
		"session=%ff":                            {"session is not valid UTF-8"},
		"type=" + strings.Repeat("x", 129):       {"type is 129 bytes long, at most 128"},
		strings.Repeat("type=a&", 17) + "type=b": {"query.type"},
		"form_seq=1":                             {"form_seq"},
	} {
		s.refused(http.StatusUnprocessableEntity, "auditor", "/v1/events?"+query, texts...)
	}
	for _, id := range []string{"abc", "-1", "18446744073709551615", "1000"} {
		if status, _, body := s.get("auditor", "/v1/events?follow=true", "Last-Event-ID", id); status != 422 || !strings.Contains(body, "header.Last-Event-ID") {
			t.Errorf("Last-Event-ID %s: %d %s", id, status, body)
		}
	}
}

// TestEventsResume hangs up again and again, and misses and repeats nothing.
func TestEventsResume(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rounds(4)
	go func() { s.rounds(4) }()
	want, last, path := 24, "", "/v1/events?follow=true"
	var got []string
	for len(got) < want {
		var header []string
		if last != "" {
			header = []string{"Last-Event-ID", last}
		}
		list, hangUp := s.follow("auditor", path, header...)
		for range 1 + len(got)%3 {
			if len(got) == want {
				break
			}
			e := s.next(list)
			got, last = append(got, e.data), e.id
		}
		hangUp()
	}
	if all := strings.Join(got, "\n") + "\n"; all != s.replayed(replay.Query{Tenant: "shop"}) {
		t.Errorf("over %d events the stream is not what replay writes:\n%s", len(got), all)
	}
	for i, line := range got {
		if i > 0 && line == got[i-1] {
			t.Errorf("event %d came twice", i)
		}
	}
}

func TestEventsComeWhenTheyAreStored(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *history.Config) { c.Heartbeat, c.Patience = 20*time.Millisecond, patience })
	list, _ := s.follow("auditor", "/v1/events?follow=true&limit=2")
	next := func() event {
		for {
			if e := s.next(list); e.name != "comment" {
				return e
			}
		}
	}
	if e := s.next(list); e.name != "comment" {
		t.Fatalf("a silent stream says %+v", e)
	}
	s.append(login("other", "ann", "s"))
	if first := s.append(login("shop", "ann", "s")); next().id != strconv.FormatUint(first, 10) {
		t.Fatal("the first event is another one")
	}
	s.server.Restart()
	if second := s.append(login("shop", "ann", "t")); next().id != strconv.FormatUint(second, 10) {
		t.Fatal("the second event is another one")
	}
	if e := next(); e != (event{name: "end", data: "limit"}) {
		t.Fatalf("after the last event comes %+v", e)
	}
	if e := next(); e.name != "closed" {
		t.Fatalf("after the end comes %+v", e)
	}
	s.ended("complete")
}

// TestAReaderIsRevoked: both forms end, the lines not as if they were whole.
func TestAReaderIsRevoked(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{}, Trail: pad{}})
	list, _ := a.follow("admin", "/v1/events?follow=true&session=nobody")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lines := a.ask(ctx, http.MethodGet, "auditor", "/v1/events")
	defer lines.Body.Close()
	if _, err := io.CopyN(io.Discard, lines.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	a.callers.Revoke("auditor")
	a.callers.Revoke("admin")
	if n, err := io.Copy(io.Discard, lines.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a reader who was revoked reads %d bytes more and then %v", n, err)
	}
	if e := a.next(list); e != (event{name: "end", data: "not_allowed"}) {
		t.Errorf("a follower who was revoked hears %+v", e)
	}
	if e := a.next(list); e.name != "closed" {
		t.Errorf("after the end comes %+v", e)
	}
	a.ended("not_allowed")
}

func TestTheLogFailsMidway(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{pages: 3}, Trail: pad{}, Patience: 2 * time.Second})
	response := a.ask(t.Context(), http.MethodGet, "auditor", "/v1/events")
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an answer of %d bytes that is not whole ends with %v", len(body), err)
	}
	if facts := strings.Count(string(body), "\n"); facts != 3000 {
		t.Errorf("%d facts came before the log failed, want 3000", facts)
	}
	a.ended("log_failed")
}

func TestALogThatIsAwayIsSaid(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *history.Config) { c.Patience = 100 * time.Millisecond })
	s.server.Shutdown()
	if header := s.refused(http.StatusServiceUnavailable, "auditor", "/v1/events"); header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
}

// TestASlowReaderIsCutOff has one that reads nothing of an endless answer.
func TestASlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/events", "/v1/events?follow=true"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			a := serve(t, history.Config{Log: &endless{}, Trail: pad{}, WriteTimeout: 100 * time.Millisecond})
			a.dial("GET " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer auditor\r\n\r\n")
			a.ended("slow_reader")
		})
	}
}

// TestASlowReaderHurtsNobodyElse has an auditor read nothing of much, while people sign
// in and another auditor follows.
func TestASlowReaderHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *history.Config) { c.WriteTimeout, c.Patience = patience/4, patience })
	for batch := range 10 { // 10 MB, more than the line holds
		facts := make([]events.Envelope, natslog.MaxAppend)
		for i := range facts {
			fact := login("shop", "ann", fmt.Sprintf("s-%d-%d", batch, i))
			fact.Personal.UserAgent = strings.Repeat("x", events.MaxUserAgent)
			facts[i] = events.Envelope{ID: fact.Session, Source: "/posse/test", Time: moment, Event: fact}
		}
		if _, err := s.log.Append(s.ctx, facts, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.dial("GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer auditor\r\n\r\n")
	eventually(t, "it is being read for the slow one", func() bool { return s.metric("posse_history_streams", "") == 1 })
	list, _ := s.follow("admin", "/v1/events?follow=true&user=bob")
	for i := range 10 {
		session := fmt.Sprintf("till-%d", i)
		if at := s.append(login("shop", "bob", session)); s.next(list).id != strconv.FormatUint(at, 10) {
			t.Fatalf("the other auditor hears of something else than login %d", i)
		}
	}
	eventually(t, "the slow one is cut off", func() bool { return s.metric("posse_history_streams_ended_total", "slow_reader") == 1 })
}

func TestAClientHangsUp(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{}, Trail: pad{}})
	list, hangUp := a.follow("auditor", "/v1/events?follow=true")
	a.next(list)
	hangUp()
	a.ended("client_gone")
}

func TestOldHTTPIsRefusedWhereItHidesBreaks(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{}, Trail: pad{}})
	conn := a.dial("GET /v1/events HTTP/1.0\r\nAuthorization: Bearer auditor\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), " 422 ") || !strings.Contains(string(answer), "HTTP/1.1, also through proxies") {
		t.Errorf("%v: %s", err, answer)
	}
}

func TestATenantHasSoManyStreams(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{}, Trail: pad{}, MaxStreams: 2})
	_, hangUp := a.follow("auditor", "/v1/events?follow=true&session=nobody")
	a.follow("admin", "/v1/events?follow=true&session=nobody")
	if header := a.refused(http.StatusTooManyRequests, "auditor", "/v1/events", "2 answers of your tenant's history"); header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	a.follow("foreign", "/v1/events?follow=true&session=nobody")
	hangUp()
	eventually(t, "there is room again", func() bool { return a.metric("posse_history_streams", "") == 2 })
	a.follow("auditor", "/v1/events?follow=true&session=nobody")
}

func TestTheOperationIsDescribed(t *testing.T) {
	t.Parallel()
	a := serve(t, history.Config{Log: &endless{}, Trail: pad{}})
	_, _, document := a.get("", "/openapi.json")
	for _, text := range []string{`"/v1/events"`, "read-events", "application/x-ndjson", "text/event-stream", `"name":"from_seq"`, `"429"`} {
		if !strings.Contains(document, text) {
			t.Errorf("openapi.json has no %s", text)
		}
	}
}
