package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

func TestTellLife(t *testing.T) {
	t.Parallel()
	nine := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	at := func(minutes int) events.Timestamp {
		return events.TimestampOf(nine.Add(time.Duration(minutes) * time.Minute))
	}
	k := events.Key{Tenant: "shop", User: "7", Session: "till-3"}
	login := events.LoggedIn{
		Key: k, EventTimestamp: at(0), Created: at(0), Expires: at(600), Platform: "ios", AppVersion: "1.8.1",
		Personal: events.LoginPersonal{DisplayName: "Carla\x1b[2J", DeviceLabel: "Till 3", UserAgent: "WCPOS/1.8.1", IP: "192.0.2.1"},
	}
	facts := []eventlog.Recorded{
		{Sequence: 1, Time: nine, Envelope: events.Envelope{Event: login}},
		{Sequence: 2, Time: at(65).Time(), Envelope: events.Envelope{Event: events.Refreshed{
			Key: k, EventTimestamp: at(60), Expires: at(660), Generation: 1, Personal: events.DevicePersonal{IP: "192.0.2.2"},
		}}},
		{Time: at(90).Time(), Envelope: events.Envelope{Event: events.Touched{Key: k, EventTimestamp: at(90)}}},
		{Sequence: 3, Time: at(120).Time(), Envelope: events.Envelope{Event: events.Revoked{
			Key: k, EventTimestamp: at(120), Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
			Actor: events.Actor{User: "boss", Session: "office"}, CommandID: "c1",
			Personal: events.RevokedPersonal{ActorIP: "192.0.2.9", ReasonAdmin: "till was\nsold", ReasonUser: "see the boss"},
		}}},
	}
	want := `Session till-3 of "Carla·[2J", user 7 in tenant shop

2026-11-20 09:00:00 UTC  signed in from 192.0.2.1
                         device: Till 3
                         declared: ios 1.8.1
                         user agent: WCPOS/1.8.1
                         good until 2026-11-20 19:00:00 UTC
2026-11-20 10:00:00 UTC  refreshed, generation 1 from 192.0.2.2
                         good until 2026-11-20 20:00:00 UTC
                         the log stored this 5m0s later
                         between, it may have made requests: only the last touch is kept
2026-11-20 10:30:00 UTC  last request that is known
2026-11-20 11:00:00 UTC  ended (terminate) by admin "boss" with session "office" from 192.0.2.9
                         reason for administrators: till was·sold
                         reason for the person: see the boss
                         command: c1

It lasted 2h0m0s
`
	var told bytes.Buffer
	if err := tellLife(&told, k, facts, nine.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if got := told.String(); got != want {
		t.Errorf("the life is\n%s\nwant\n%s", got, want)
	}
	for minutes, want := range map[int]string{
		5:   "It is active, 5m0s so far, and good until 2026-11-20 19:00:00 UTC",
		600: "It expired at 2026-11-20 19:00:00 UTC and lasted 10h0m0s",
	} {
		told.Reset()
		if err := tellLife(&told, k, facts[:1], at(minutes).Time()); err != nil || !strings.Contains(told.String(), want) {
			t.Errorf("after %d minutes the life is %s, want %q: %v", minutes, told.String(), want, err)
		}
	}
}

func TestAuditExplainReadsTheLog(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: nats.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.New(t.Context(), conn, natslog.Config{Source: "/posse/test"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	at := events.TimestampOf(now)
	k := events.Key{Tenant: "shop", User: "7", Session: "till-3"}
	other := events.Key{Tenant: "shop", User: "7", Session: "till-4"}
	envelope := func(id string, event events.Event) events.Envelope {
		return events.Envelope{ID: id, Source: "/posse/test", Time: now, Event: event}
	}
	facts := []events.Envelope{
		envelope("one", events.LoggedIn{
			Key: k, EventTimestamp: at, Created: at, Expires: at + 3600_000, Personal: events.LoginPersonal{Username: "carla"},
		}),
		envelope("two", events.LoggedIn{
			Key: other, EventTimestamp: at, Created: at, Expires: at + 3600_000, Personal: events.LoginPersonal{IP: "192.0.2.99"},
		}),
		envelope("three", events.Revoked{
			Key: k, EventTimestamp: at + 5000, Cause: events.CauseLogout, InitiatingEntity: events.InitiatedByUser, Expires: at + 3600_000,
		}),
	}
	if _, err := log.Append(t.Context(), facts, nil); err != nil {
		t.Fatal(err)
	}
	touch := events.Touched{Key: k, EventTimestamp: at + 2000, Personal: events.DevicePersonal{IP: "192.0.2.2"}}
	if err := log.Touch(t.Context(), []events.Envelope{envelope("four", touch)}); err != nil {
		t.Fatal(err)
	}
	explain := func(args ...string) (string, error) {
		var out, errOut bytes.Buffer
		args = append([]string{"posse", "audit", "explain", "--nats", nats.URL(), "--tenant", "shop"}, args...)
		err := newApp(&out, &errOut).Run(context.WithoutCancel(t.Context()), args)
		return out.String(), err
	}
	got, err := explain("--user", "7", "till-3")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"signed in\n", "last request that is known from 192.0.2.2\n", "ended (logout) by user\n", "It lasted 5s\n"} {
		before, after, ok := strings.Cut(got, want)
		if got = after; !ok {
			t.Errorf("after %q, %q does not come in %q", before, want, got)
		}
	}
	if strings.Contains(got, "192.0.2.99") {
		t.Errorf("another session is told: %s", got)
	}
	for want, args := range map[string][]string{
		"whose session is it?":                                         {"till-3"},
		`the log has no session "till-5" of user "7"`:                  {"--user", "7", "till-5"},
		"needs the id of one session":                                  {"--user", "7"},
		`the log has no session "till-3" of user "8" in tenant "shop"`: {"--user", "8", "till-3"},
	} {
		if _, err := explain(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}
