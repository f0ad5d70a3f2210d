// Package bench measures posse against the limit or the alternative in the same
// run, and prints each figure as a ratio with the aim beside it. It judges
// nothing: a machine's noise is not a regression.
//
// It wires the parts as posse serve does: an embedded nats-server that syncs
// every write, and a PostgreSQL that the caller names.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// ErrUnknownPart says that a part to measure does not exist.
var ErrUnknownPart = errors.New("bench: unknown part")

// Config says what to measure.
type Config struct {
	// Postgres is the URL of an empty database; it is filled and left so.
	// Required for the parts projector, rebuild, watchers, screen and commands.
	Postgres string
	// Dir holds the logs while they are measured; "" makes a temporary folder.
	Dir string
	// Users is how many there are in the log for Terminate and Logout All; 0 means
	// 200,000.
	Users int
	// Events is how full the log is for these, for replay, for verify, and for rebuild;
	// 0 means 2,000,000, 1,000,000, 10,000,000 and 100,000.
	Events int
	// Sessions are how many active ones the Sessions screen is asked for, one after
	// the other; none means 10,000 and 1,000,000.
	Sessions []int
	// Gateways is how many the part gateways connects; 0 means 1,000.
	Gateways int
	// Revocations is how many live ones the part revocations fills the stream with,
	// and Burst how many it adds at once; 0 means 1,000,000 and 100,000.
	Revocations, Burst int
	// FleetWatched is how long a fleet is watched at work; 0 means 20 s.
	FleetWatched time.Duration
	// OverloadFor is how long the part overload offers too much; 0 means 8 s.
	OverloadFor time.Duration
	// Rounds is how often a comparison alternates; 0 means 3. Medians are printed.
	Rounds int
	// Watch is the load of the part watchers.
	Watch Watch
	// Only names the parts to measure; empty means all.
	Only []string
	// Out receives the report. Required.
	Out io.Writer
}

type part struct {
	name    string
	measure func(context.Context, *run) error
}

// parts in the order in which they run, the quick ones first.
var parts = []part{
	{"check", measureCheck},
	{"logins", measureLogins},
	{"sealing", measureSealing},
	{"overload", measureOverload},
	{"projector", measureProjector},
	{"rebuild", measureRebuild},
	{"revocation", measureRevocation},
	{"memory", measureMemory},
	{"gateways", measureGateways},
	{"revocations", measureRevocations},
	{"replay", measureReplay},
	{"verify", measureVerify},
	{"watchers", measureWatchers},
	{"screen", measureScreen},
	{"commands", measureCommands},
}

// Parts lists what Config.Only may name.
func Parts() []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return names
}

// run is one call of Run: its configuration, its report, and where it works.
type run struct {
	Config
	*report
}

// needPostgres says what a part lacks that measures the read model.
func (r *run) needPostgres() error {
	if r.Postgres == "" {
		return errors.New("needs the URL of a PostgreSQL database")
	}
	return nil
}

// Run measures and writes the report.
func Run(ctx context.Context, config Config) error {
	if err := config.check(); err != nil {
		return err
	}
	if config.Dir == "" {
		dir, err := os.MkdirTemp("", "posse-bench-")
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		defer os.RemoveAll(dir)
		config.Dir = dir
	}
	r := &run{Config: config, report: &report{out: config.Out}}
	r.header()
	for _, p := range parts {
		if len(config.Only) > 0 && !slices.Contains(config.Only, p.name) {
			continue
		}
		if err := p.measure(ctx, r); err != nil {
			return fmt.Errorf("bench: %s: %w", p.name, err)
		}
	}
	return nil
}

func (c *Config) check() error {
	for _, name := range c.Only {
		if !slices.Contains(Parts(), name) {
			return fmt.Errorf("%w: %q is none of %s", ErrUnknownPart, name, strings.Join(Parts(), ", "))
		}
	}
	if c.Users == 0 {
		c.Users = 200_000
	}
	if len(c.Sessions) == 0 {
		c.Sessions = []int{10_000, 1_000_000}
	}
	if c.Gateways == 0 {
		c.Gateways = 1000
	}
	if c.Revocations == 0 {
		c.Revocations = 1_000_000
	}
	if c.Burst == 0 {
		c.Burst = 100_000
	}
	if c.FleetWatched == 0 {
		c.FleetWatched = 20 * time.Second
	}
	if c.OverloadFor == 0 {
		c.OverloadFor = 8 * time.Second
	}
	if c.Rounds == 0 {
		c.Rounds = 3
	}
	return nil
}
