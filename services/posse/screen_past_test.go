package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

// pastTenant is a shop that has been there for days when the specs begin: what
// happens through the API happens now, and "3 hours ago" takes three hours.
const pastTenant = "yesterday"

// past is who was there: logged in, last active and signed out so long ago.
var past = []struct {
	user, name                  string
	loggedIn, active, loggedOut time.Duration
}{
	{user: "11", name: "Early Cashier", loggedIn: 6 * time.Hour, active: 12*time.Minute + 10*time.Second},
	{user: "12", name: "Night Cashier", loggedIn: 30 * time.Hour, active: 3*time.Hour + 10*time.Minute},
	{user: "13", name: "Weekend Cashier", loggedIn: 4 * 24 * time.Hour, active: 2*24*time.Hour + time.Hour},
	{user: "14", name: "Former Cashier", loggedIn: 30 * time.Hour, active: 27 * time.Hour, loggedOut: 20 * time.Hour},
}

// recordPast writes the past into a log that no posse uses yet, or not for this
// tenant.
func recordPast(ctx context.Context, at bus.Config) error {
	at.Name, at.Logger = "past", quietly()
	conn, err := bus.Connect(ctx, at)
	if err != nil {
		return err
	}
	defer conn.Close()
	log, err := natslog.New(ctx, conn, natslog.Config{Logger: quietly()})
	if err != nil {
		return err
	}
	now := time.Now()
	for _, p := range past {
		key := events.Key{Tenant: pastTenant, User: p.user, Session: "till-" + p.user}
		before := func(d time.Duration) events.Timestamp { return events.TimestampOf(now.Add(-d)) }
		expires := before(p.loggedIn - 30*24*time.Hour)
		login := events.LoggedIn{
			Key: key, EventTimestamp: before(p.loggedIn), Created: before(p.loggedIn), Expires: expires, Platform: "ios", AppVersion: "1.8.1",
			Personal: events.LoginPersonal{
				Username: "cashier-" + p.user, DisplayName: p.name, DeviceLabel: "Till " + p.user,
				UserAgent: "WCPOS/1.8.1 (ios; build 231)", IP: "203.0.113." + p.user,
			},
		}
		facts := []events.Envelope{factOf(login)}
		if p.loggedOut > 0 {
			facts = append(facts, factOf(events.Revoked{
				Key: key, EventTimestamp: before(p.loggedOut), Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
				Actor: events.Actor{User: "1", Session: "office"}, Expires: expires, CommandID: "past-" + p.user,
				Personal: events.RevokedPersonal{ReasonAdmin: "left the shop"},
			}))
		}
		if _, err := log.Append(ctx, facts, nil); err != nil {
			return err
		}
		if err := log.Touch(ctx, []events.Envelope{factOf(events.Touched{Key: key, EventTimestamp: before(p.active)})}); err != nil {
			return err
		}
	}
	return nil
}

func factOf(event events.Event) events.Envelope {
	key := event.SessionKey()
	return events.Envelope{
		ID:     fmt.Sprintf("past-%s-%s", event.EventType(), key.Session),
		Source: "/posse/past", Time: event.Occurred().Time(), Event: event,
	}
}

func quietly() *slog.Logger { return slog.New(slog.DiscardHandler) }
