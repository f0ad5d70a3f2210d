package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/replay"
)

func auditExplainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell one session's life, from sign-in to end, from the log",
		ArgsUsage: "SESSION",
		Description: `It reads the history of the session's user in POS_SESSIONS and the session's last
touch in POS_TOUCHES. Touches are coalesced and only the last is kept, so of the
requests between two facts it says that they are not known.

The log keeps a history for each user. Say whose session it is with --user, or let
it look in the read model with --postgres; without both it would have to read the
histories of everybody.

That it reads is recorded, as for replay.`,
		Flags: flags([]cli.Flag{
			text("tenant", "default", "tenant of the session"),
			text("user", "", "id of the session's user"),
			postgresFlag("URL of the read model's PostgreSQL, to look for the user"),
		}, auditLogFlags()),
		Action: auditExplain,
	}
}

func auditExplain(ctx context.Context, cmd *cli.Command) error {
	k := events.Key{Tenant: cmd.String("tenant"), User: cmd.String("user"), Session: cmd.Args().First()}
	if cmd.Args().Len() != 1 {
		return fmt.Errorf("%s needs the id of one session", cmd.FullName())
	}
	if k.User == "" {
		var err error
		if k.User, err = userOf(ctx, cmd, k); err != nil {
			return err
		}
	}
	if err := validateKey(k); err != nil {
		return err
	}
	log, done, err := openLogOnce(ctx, cmd)
	if err != nil {
		return err
	}
	defer done()
	facts, err := lifeOf(ctx, log, k)
	if err != nil {
		return err
	}
	query := replay.Query{Tenant: k.Tenant, User: k.User, Session: k.Session}
	if err := noteRead(ctx, log, query, cmd.Name); err != nil {
		return err
	}
	return tellLife(cmd.Root().Writer, k, facts, time.Now())
}

func validateKey(k events.Key) error {
	return cmp.Or(
		events.ValidateID("tenant", k.Tenant),
		events.ValidateID("user", k.User),
		events.ValidateID("session", k.Session),
	)
}

// userOf looks in the read model whose session it is.
func userOf(ctx context.Context, cmd *cli.Command, k events.Key) (string, error) {
	if cmd.String("postgres") == "" {
		return "", errors.New("whose session is it? Say so with --user, or give --postgres to look for it in the read model")
	}
	store, err := pgstore.Open(ctx, pgstore.Config{URL: cmd.String("postgres")})
	if err != nil {
		return "", err
	}
	defer store.Close()
	found, _, err := store.Session(ctx, k.Tenant, k.Session)
	switch {
	case errors.Is(err, activesessions.ErrNotFound):
		return "", fmt.Errorf("the read model knows no session %q in tenant %q: it forgets what ended long ago; --user finds it in the log",
			k.Session, k.Tenant)
	case err != nil:
		return "", err
	case len(found) == 1:
		return found[0].User, nil
	}
	users := make([]string, len(found))
	for i := range found {
		users[i] = fmt.Sprintf("%q", found[i].User)
	}
	return "", fmt.Errorf("session %q is of several users: choose with --user one of %s", k.Session, strings.Join(users, ", "))
}

// lifeOf reads what the log still knows of a session, by when it happened.
func lifeOf(ctx context.Context, log eventlog.Reader, k events.Key) ([]eventlog.Recorded, error) {
	all, err := log.User(ctx, k.Tenant, k.User, 0)
	if err != nil {
		return nil, err
	}
	began := false
	facts := slices.DeleteFunc(all, func(fact eventlog.Recorded) bool {
		ours := fact.Event.SessionKey() == k
		began = began || ours
		_, forgotten := fact.Event.(events.Forgotten)
		return !ours && (!forgotten || !began)
	})
	if len(facts) == 0 {
		return nil, fmt.Errorf("the log has no session %q of user %q in tenant %q", k.Session, k.User, k.Tenant)
	}
	touch, err := log.LastTouch(ctx, k)
	switch {
	case err == nil:
		facts = append(facts, touch)
	case !errors.Is(err, eventlog.ErrNotFound):
		return nil, err
	}
	slices.SortStableFunc(facts, func(a, b eventlog.Recorded) int {
		return cmp.Compare(a.Event.Occurred(), b.Event.Occurred())
	})
	return facts, nil
}

// tellLife writes the facts of one session as a person would tell them.
func tellLife(w io.Writer, k events.Key, facts []eventlog.Recorded, now time.Time) error {
	var row activesessions.Session
	for _, fact := range facts {
		row = activesessions.Merge(row, fact, device.Device{})
	}
	fmt.Fprintf(w, "Session %s of %s, user %s in tenant %s\n\n",
		plain(k.Session), quoted(cmp.Or(row.DisplayName, row.Username, k.User)), plain(k.User), plain(k.Tenant))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var before time.Time
	for _, fact := range facts {
		at := fact.Event.Occurred().Time()
		if _, ok := fact.Event.(events.Touched); ok && at.After(before) {
			fmt.Fprintf(table, "\tbetween, it may have made requests: only the last touch is kept\n")
		}
		for i, line := range sentences(fact) {
			when := ""
			if i == 0 {
				when = second(at, time.UTC)
			}
			fmt.Fprintf(table, "%s\t%s\n", when, line)
		}
		before = at
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", outcome(&row, now))
	return err
}

// sentences say a fact, the first what happened and others the circumstances.
func sentences(fact eventlog.Recorded) []string {
	var said []string
	switch e := fact.Event.(type) {
	case events.LoggedIn:
		p := e.Personal
		said = append(said, "signed in"+from(p.IP))
		if e.Created != 0 && e.Created != e.EventTimestamp {
			said = append(said, "the session counts from "+second(e.Created.Time(), time.UTC))
		}
		declared := strings.Join(strings.Fields(strings.Join([]string{e.Platform, e.AppVersion, e.Build}, " ")), " ")
		said = add(said, "device: ", p.DeviceLabel)
		said = add(said, "declared: ", declared)
		said = add(said, "user agent: ", p.UserAgent)
		said = append(said, "good until "+second(e.Expires.Time(), time.UTC))
	case events.Refreshed:
		said = append(said, fmt.Sprintf("refreshed, generation %d%s", e.Generation, from(e.Personal.IP)))
		said = add(said, "user agent: ", e.Personal.UserAgent)
		said = append(said, "good until "+second(e.Expires.Time(), time.UTC))
	case events.Touched:
		said = append(said, "last request that is known"+from(e.Personal.IP))
	case events.Revoked:
		by := "by " + cmp.Or(plain(string(e.InitiatingEntity)), "nobody named")
		if e.Actor.User != "" {
			by += " " + quoted(e.Actor.User)
		}
		if e.Actor.Session != "" {
			by += " with session " + quoted(e.Actor.Session)
		}
		said = append(said, "ended ("+plain(string(e.Cause))+") "+by+from(e.Personal.ActorIP))
		said = add(said, "reason for administrators: ", e.Personal.ReasonAdmin)
		said = add(said, "reason for the person: ", e.Personal.ReasonUser)
		said = add(said, "command: ", e.CommandID)
	case events.Forgotten:
		by := "by " + cmp.Or(plain(string(e.InitiatingEntity)), "nobody named")
		if e.Actor.User != "" {
			by += " " + quoted(e.Actor.User)
		}
		said = append(said, "the user was forgotten "+by+": who it was is not known any more")
	default:
		said = append(said, "a fact that this version does not know: "+plain(string(fact.Event.EventType())))
	}
	if late := fact.Time.Sub(fact.Event.Occurred().Time()); late > time.Minute {
		said = append(said, "the log stored this "+late.Round(time.Second).String()+" later")
	}
	return said
}

func add(said []string, what, value string) []string {
	if value == "" {
		return said
	}
	return append(said, what+plain(value))
}

func from(ip string) string {
	if ip == "" {
		return ""
	}
	return " from " + plain(ip)
}

// quoted sets off what a stranger chose.
func quoted(text string) string { return `"` + plain(text) + `"` }

// outcome says how long the session lasted, or that it still does.
func outcome(row *activesessions.Session, now time.Time) string {
	if row.LoginSequence == 0 {
		return "Its sign-in is not in the log."
	}
	lasted := func(until time.Time) string { return until.Sub(row.Created).Round(time.Second).String() }
	switch {
	case row.End != nil && row.End.At.Before(row.Expires):
		return "It lasted " + lasted(row.End.At)
	case !row.Expires.After(now):
		return "It expired at " + second(row.Expires, time.UTC) + " and lasted " + lasted(row.Expires)
	default:
		return "It is active, " + lasted(now) + " so far, and good until " + second(row.Expires, time.UTC)
	}
}
