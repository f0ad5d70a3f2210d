package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/replay"
	"github.com/posse-pos/posse/services/auditor/trail"
)

// notePatience is how long a command tries to record that it reads.
const notePatience = 10 * time.Second

func auditTrailCommand() *cli.Command {
	return &cli.Command{
		Name:  "trail",
		Usage: "show who read the history, and what was swept of it",
		Description: `Every read of the history, by GET /v1/events or by posse audit replay, tail, explain
and prove, is recorded before its first byte. Of the command line NATS knows its own user and
nobody more: the names of the person and the machine are what the command said.

With --tenant, what was done with the history of all tenants is shown too.

   posse audit trail --tenant shop --since 2026-03-01`,
		Flags: flags(group("Which notes",
			text("since", "", "stored at this moment or later: 2026-03-14 (midnight UTC) or 2026-03-14T09:26:53Z"),
			text("until", "", "stored before this moment"),
			text("tenant", "", "about this tenant's history"),
			count64("limit", "at most so many notes; 0 is no limit"),
		), group("Output", text("format", "", "table or ndjson (default: table on a terminal, otherwise ndjson)")), auditLogFlags()),
		Action: auditTrail,
	}
}

func auditTrail(ctx context.Context, cmd *cli.Command) error {
	query := trail.Query{Tenant: cmd.String("tenant"), Limit: cmd.Uint64("limit")}
	var err, err2 error
	query.Since, err = auditMoment(cmd, "since")
	query.Until, err2 = auditMoment(cmd, "until")
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	header, add, err := trailOutput(cmd)
	if err != nil {
		return err
	}
	log, done, err := openLogOnce(ctx, cmd)
	if err != nil {
		return err
	}
	defer done()
	if _, err := io.WriteString(cmd.Root().Writer, header); err != nil {
		return err
	}
	return trail.Read(ctx, log, query, add)
}

func trailOutput(cmd *cli.Command) (header string, add func(eventlog.Noted) error, err error) {
	out, otherwise := cmd.Root().Writer, "ndjson"
	if isTerminal(out) {
		otherwise = "table"
	}
	switch format := cmp.Or(cmd.String("format"), otherwise); format {
	case "ndjson":
		return "", trail.NDJSON(out), nil
	case "table":
		return trail.TableHeader(), trail.Table(out, plain), nil
	default:
		return "", nil, fmt.Errorf("--format: there is no format %q; take table or ndjson", format)
	}
}

// noteRead records that the history is about to be read, as far as that is known
// here: by which NATS user only NATS knows.
func noteRead(ctx context.Context, log eventlog.Trail, query replay.Query, format string) error {
	ctx, cancel := context.WithTimeout(ctx, notePatience)
	defer cancel()
	now := time.Now()
	host, _ := os.Hostname() // "" if it has no name
	_, err := log.Note(ctx, events.AuditEnvelope{
		ID: uuid.Must(uuid.NewV7()).String(), Source: "/posse/audit", Time: now,
		Fact: events.AuditRead{
			Tenant: query.Tenant, EventTimestamp: events.TimestampOf(now), Via: events.ViaCLI, Kind: "operator",
			Filter: query.Filter(), Format: format, Follow: query.Follow,
			Personal: events.AuditReadPersonal{OSUser: claim(osUser()), Host: claim(host)},
		},
	})
	if err != nil {
		return fmt.Errorf("nothing was read, since reading the history is recorded and that failed: %w", err)
	}
	return nil
}

// osUser is the name of whoever runs the process, or the number of one who has none.
func osUser() string {
	if who, err := user.Current(); err == nil && who.Username != "" {
		return who.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

// claim cuts a name to what may be recorded of it.
func claim(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), events.MaxAuditClaim)], "")
}
