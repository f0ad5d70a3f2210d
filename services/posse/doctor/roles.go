package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/commands"
)

// leastPostgres is 13.0 as server_version_num has it.
const leastPostgres = 130000

// recorderFindings say which recorders answer. They are a micro service of NATS, and
// answer as such.
func recorderFindings(ctx context.Context, conn *bus.Conn) []Finding {
	answers, err := conn.Survey(ctx, "$SRV.PING."+commands.ServiceName, nil)
	if err != nil {
		return []Finding{{
			Warning, fmt.Sprintf("which recorders run cannot be told: %v", err),
			"run posse doctor with the key of OPERATOR (--nats-nkey)",
		}}
	}
	versions := map[string]bool{}
	for _, data := range answers {
		var answer struct {
			Version string `json:"version"`
		}
		if json.Unmarshal(data, &answer) == nil && len(versions) < maxNamed {
			versions[answer.Version] = true
		}
	}
	all := slices.Sorted(maps.Keys(versions))
	switch {
	case len(answers) == 0:
		return []Finding{{Problem, "no recorder answers: nobody can sign in, and nobody be signed out", "start a recorder"}}
	case len(all) > 1:
		return []Finding{{
			Warning, fmt.Sprintf("%d recorders answer, of %s", len(answers), names("version", all)), "update those that are older",
		}}
	default:
		return []Finding{ok("recorders that answer: %d, of %s", len(answers), names("version", all))}
	}
}

func postgresFindings(postgres pgstore.Inspection, err error) []Finding {
	if err != nil {
		return []Finding{{
			Problem, fmt.Sprintf("PostgreSQL does not answer: %v", err), "start it, or correct --postgres",
		}}
	}
	var found []Finding
	if postgres.Version < leastPostgres {
		found = append(found, Finding{
			Problem, fmt.Sprintf("PostgreSQL is version %s; posse needs 13", postgres.VersionText), "update it",
		})
	} else {
		found = append(found, ok("PostgreSQL is version %s", postgres.VersionText))
	}
	if postgres.Fsync != "on" {
		found = append(found, Finding{
			Problem, "PostgreSQL runs with fsync = " + postgres.Fsync + ": a power cut may leave the read model damaged",
			"set fsync = on in postgresql.conf and restart it",
		})
	} else {
		// What a commit without a wait loses is read from the log again: the position
		// goes with it.
		found = append(found, ok("PostgreSQL syncs what it writes (fsync = on, synchronous_commit = %s; either will do)",
			postgres.SynchronousCommit))
	}
	return append(found, clockFinding("PostgreSQL", postgres.Clock.Sub(postgres.Asked), postgres.Within, here))
}
