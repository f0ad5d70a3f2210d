// Package doctor examines what posse stands on and leaves to others: a NATS server or
// cluster, its streams, the clocks of all machines, PostgreSQL. What it finds is said
// to people who need not know posse, with what to do about it. It changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

// Level says how much a finding matters.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and will not for ever
	Problem Level = "problem" // a promise of posse does not hold
)

// Finding is one sentence about one thing. It may hold what strangers chose, such as
// names of servers.
type Finding struct {
	Level Level  `json:"level"`
	Found string `json:"found"`
	// Do is what to do about it; "" if nothing is.
	Do string `json:"do,omitempty"`
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Found: fmt.Sprintf(format, args...)}
}

// Config says what to examine.
type Config struct {
	// NATS is a connection of a user who may look at the streams. Required.
	NATS *bus.Conn
	// System is one of a user of the system account, who may ask the servers how they
	// are configured; nil means that there is none.
	System *bus.Conn
	// Monitors are the URLs of the servers' HTTP monitoring, such as
	// http://nats.example:8222; they answer the same.
	Monitors []string
	// Streams says how the streams are to be. Replicas 0 means as many as POS_SESSIONS
	// has.
	Streams natslog.Config
	// Reserve is how many bytes of storage recorders keep for ending sessions.
	Reserve int64
	// Postgres is the URL of the read model; "" leaves it out.
	Postgres string
}

// Examine looks at everything, and says what it could not look at.
func Examine(ctx context.Context, config Config) []Finding {
	found := serverFindings(config.NATS.Server())
	log, err := natslog.Inspect(ctx, config.NATS, config.Streams)
	switch {
	case errors.Is(err, natslog.ErrDenied):
		found = append(found, Finding{Problem, err.Error(), "run posse doctor with the key of OPERATOR (--nats-nkey)"})
	case err != nil:
		found = append(found, Finding{
			Problem, fmt.Sprintf("JetStream does not answer: %v", err),
			"switch it on with a jetstream block as in deployments/nats/nats.conf; in a cluster, see that most of its servers run",
		})
	default:
		found = append(found, logFindings(log, config.Reserve)...)
	}
	servers, failed := askServers(ctx, config)
	found = append(found, failed...)
	found = append(found, storageFindings(servers, log != nil && isReplicated(log), config.Reserve)...)
	found = append(found, recorderFindings(ctx, config.NATS)...)
	if config.Postgres != "" {
		postgres, err := pgstore.Inspect(ctx, config.Postgres)
		found = append(found, postgresFindings(postgres, err)...)
	}
	return found
}

// logFindings are all that the log shows.
func logFindings(log *natslog.Inspection, reserve int64) []Finding {
	var found []Finding
	if log.Domain != "" {
		found = append(found, ok("JetStream is on, in the domain %q", log.Domain))
	} else {
		found = append(found, ok("JetStream is on, in no domain"))
	}
	found = append(found, streamFindings(log)...)
	found = append(found, replicaFindings(log)...)
	found = append(found, roomFindings(log, reserve)...)
	found = append(found, readerFindings(log)...)
	found = append(found, relayFindings(log)...)
	return append(found, clockFindings(log)...)
}
