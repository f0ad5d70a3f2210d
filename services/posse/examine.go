package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/posse/doctor"
)

// maxFinding is how much of a finding is printed, in runes.
const maxFinding = 600

func examinationFlags() []cli.Flag {
	return append([]cli.Flag{
		postgresFlag("URL of the PostgreSQL database that holds the read model, to examine it too"),
		toggle("json", "print the findings as JSON, one a line"),
	}, group("NATS",
		text("nats-system-nkey", "", "file with the nkey seed of a user of the system account, to ask the servers how they are configured"),
		text("nats-system-creds", "", "file with the credentials of such a user"),
		texts("nats-monitor", "URL of a server's monitoring, such as http://nats.example:8222, to ask it instead; repeat it for several"),
	)...)
}

// examine prints what package doctor finds. A problem makes it an error.
func examine(ctx context.Context, cmd *cli.Command) error {
	policies, err := loadPolicies(cmd)
	if err != nil {
		return err
	}
	config := doctor.Config{
		Streams: forStreams(cmd, natslog.Config{}, policies), Postgres: cmd.String("postgres"), Monitors: cmd.StringSlice("nats-monitor"),
	}
	if config.Reserve, err = reserve(cmd); err != nil {
		return err
	}
	if !cmd.IsSet("replicas") {
		config.Streams.Replicas = 0
	}
	for _, monitor := range config.Monitors {
		if u, err := url.Parse(monitor); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("--nats-monitor is not the URL of a server's monitoring, such as http://nats.example:8222")
		}
	}
	if config.NATS, err = connectOnce(ctx, cmd); err != nil {
		return err
	}
	defer config.NATS.Close()
	if config.System, err = connectSystem(ctx, cmd); err != nil {
		return err
	}
	if config.System != nil {
		defer config.System.Close()
	}
	return report(cmd.Root().Writer, doctor.Examine(ctx, config), cmd.Bool("json"))
}

// connectSystem connects to the same servers as a user of the system account, or
// returns nil if there is none.
func connectSystem(ctx context.Context, cmd *cli.Command) (*bus.Conn, error) {
	nkey, creds := cmd.String("nats-system-nkey"), cmd.String("nats-system-creds")
	if nkey == "" && creds == "" {
		return nil, nil //nolint:nilnil // documented: there is none
	}
	settings, err := openNATSSettings(cmd)
	if err != nil {
		return nil, err
	}
	settings.nkey, settings.creds, settings.inbox = nkey, creds, ""
	if err := settings.check(); err != nil {
		return nil, fmt.Errorf("--nats-system-nkey, --nats-system-creds: %w", err)
	}
	return connectAs(ctx, cmd, settings)
}

// report prints the findings, and returns an error if one is a problem.
func report(w io.Writer, findings []doctor.Finding, asJSON bool) error {
	problems := 0
	for _, finding := range findings {
		finding.Found, finding.Do = bounded(plain(finding.Found)), bounded(plain(finding.Do))
		if err := printFinding(w, finding, asJSON); err != nil {
			return err
		}
		if finding.Level == doctor.Problem {
			problems++
		}
	}
	if problems > 0 {
		return fmt.Errorf("posse doctor found %s", count(problems, "problem"))
	}
	return nil
}

func printFinding(w io.Writer, finding doctor.Finding, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(finding)
	}
	if finding.Do == "" {
		_, err := fmt.Fprintf(w, "%-8s %s\n", finding.Level, finding.Found)
		return err
	}
	_, err := fmt.Fprintf(w, "%-8s %s → %s\n", finding.Level, finding.Found, finding.Do)
	return err
}

// bounded cuts a text that is longer than people read.
func bounded(text string) string {
	if runes := []rune(text); len(runes) > maxFinding {
		return string(runes[:maxFinding]) + "…"
	}
	return text
}
