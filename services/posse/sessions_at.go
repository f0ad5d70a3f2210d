package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	_ "time/tzdata" // --zone, on machines without the zones of the world

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/posse/client"
)

func sessionsAtCommand() *cli.Command {
	return &cli.Command{
		Name:      "at",
		Usage:     "list who was signed in at a past moment, and how that ended",
		ArgsUsage: "TIME",
		Description: `TIME is "2026-11-20 14:05", with seconds or without, in --zone, or RFC 3339
(2026-11-20T14:05:00+01:00). Facts count by when they happened. What a session
did between two touches nobody knows: a session that was used after the moment is
shown with the moment itself as its last activity.`,
		Flags: apiFlags(
			text("tenant", "", "the tenant that you mean; refused if the token is of another"),
			text("user", "", "id of a user: list their sessions only"),
			text("zone", "UTC", "time zone of TIME and of what is printed, such as Europe/Madrid"),
		),
		Action: sessionsAt,
	}
}

func sessionsAt(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() != 1 {
		return fmt.Errorf(`%s needs one moment, such as "2026-11-20 14:05" (in quotes)`, cmd.FullName())
	}
	zone, err := zoneOf(cmd.String("zone"))
	if err != nil {
		return err
	}
	at, err := parseMoment(cmd.Args().First(), zone)
	if err != nil {
		return err
	}
	if at.After(time.Now()) {
		return fmt.Errorf("%s lies in the future: nobody knows yet", second(at, zone))
	}
	api, err := apiClient(cmd)
	if err != nil {
		return err
	}
	if err := expectTenant(ctx, api, cmd.String("tenant")); err != nil {
		return err
	}
	found, err := findAt(ctx, api, cmd.String("user"), at)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return found.writeJSON(cmd.Root().Writer)
	}
	return found.writeTable(cmd.Root().Writer, zone, time.Now())
}

// zoneOf is a zone by its name. "Local" is nobody's: what a script prints must not
// depend on the machine.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("--zone: %q is not a time zone such as UTC or Europe/Madrid", name)
	}
	return zone, nil
}

// parseMoment reads RFC 3339, or a date and a time of day in a zone. A time of day
// that a change of clocks leaves out or repeats is refused, and so is a moment that the
// API takes for none, or that RFC 3339 does not write in UTC.
func parseMoment(text string, zone *time.Location) (time.Time, error) {
	at, err := readMoment(text, zone)
	if err == nil && (at.Unix() <= 0 || at.UTC().Year() > 9999) {
		return at, fmt.Errorf("%q lies before 1970 or after 9999: nothing was recorded then", text)
	}
	return at, err
}

func readMoment(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
		at, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		for _, shift := range []time.Duration{-time.Hour, time.Hour} {
			if at.Add(shift).Format(layout) == text {
				return at, fmt.Errorf("%q comes twice in %s, where clocks are set back: write RFC 3339, %s or %s",
					text, zone, at.Format(time.RFC3339), at.Add(shift).Format(time.RFC3339))
			}
		}
		if at.Format(layout) != text {
			return at, fmt.Errorf("%q is no time in %s, where clocks are set forward: write RFC 3339, such as %s",
				text, zone, at.Format(time.RFC3339))
		}
		return at, nil
	}
	return time.Time{}, fmt.Errorf(
		`%q is not a moment: write "2006-01-02 15:04", "2006-01-02 15:04:05" or RFC 3339 such as 2006-01-02T15:04:05Z`, text)
}

// expectTenant refuses to show the people of another tenant than was meant.
func expectTenant(ctx context.Context, api *client.Client, tenant string) error {
	if tenant == "" {
		return nil
	}
	me, err := api.Me(ctx)
	if err == nil && me.Tenant != tenant {
		return fmt.Errorf("--tenant is %q, but the token is of tenant %q", tenant, me.Tenant)
	}
	return err
}

// signedIn is who was signed in at a moment.
type signedIn struct {
	at       time.Time
	sessions []client.Session
	users    int
	position uint64
}

func findAt(ctx context.Context, api *client.Client, user string, at time.Time) (*signedIn, error) {
	found := &signedIn{at: at}
	users := []client.User{{ID: user}}
	if user == "" {
		var err error
		if users, found.position, err = api.UsersAt(ctx, "", at); err != nil {
			return nil, err
		}
	}
	for _, u := range users {
		sessions, position, err := api.SessionsAt(ctx, u.ID, "active", at)
		if user == "" && isNotFound(err) {
			continue // forgotten since the list was made
		}
		if err != nil {
			return nil, err
		}
		if user != "" {
			found.position = position
		}
		if len(sessions) > 0 {
			found.users++
		}
		found.sessions = append(found.sessions, sessions...)
	}
	return found, nil
}

func (p *signedIn) writeJSON(w io.Writer) error {
	raw := make([]json.RawMessage, 0, len(p.sessions))
	for _, session := range p.sessions {
		raw = append(raw, session.Raw)
	}
	return writeJSON(w, map[string]any{
		"as_of": p.at.UTC().Format(time.RFC3339Nano), "sessions": raw, "position": p.position,
	})
}

func (p *signedIn) writeTable(w io.Writer, zone *time.Location, now time.Time) error {
	at := second(p.at, zone)
	if len(p.sessions) == 0 {
		_, err := fmt.Fprintf(w, "nobody was signed in at %s\n", at)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER\tDEVICE\tSIGNED IN\tHOW IT ENDED\tSESSION")
	for _, session := range p.sessions {
		fmt.Fprintln(table, strings.Join([]string{
			plain(cmp.Or(session.DisplayName, session.Username, session.User)),
			plain(deviceText(session)),
			second(session.Created, zone),
			endText(session, zone, now),
			plain(session.Session) + mark(session),
		}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nat %s: %s of %s\n", at, count(len(p.sessions), "session"), count(p.users, "user"))
	return err
}

func second(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// endText says how a session ended that was active at the moment.
func endText(session client.Session, zone *time.Location, now time.Time) string {
	if end := session.EndedLater; end != nil {
		text := second(end.At, zone) + ", " + plain(end.Cause)
		if by := cmp.Or(end.ActorUser, end.InitiatingEntity); by != "" {
			text += " by " + plain(by)
		}
		if reason := cmp.Or(end.ReasonAdmin, end.ReasonUser); reason != "" {
			text += ": " + plain(reason)
		}
		return text
	}
	if !session.Expires.After(now) {
		return second(session.Expires, zone) + ", expired"
	}
	return "still signed in"
}
