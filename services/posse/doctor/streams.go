package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

const (
	// maxNamed is how many things of a kind are named in one sentence.
	maxNamed = 6

	fullWarning, fullProblem = 0.80, 0.95
)

// streamFindings say which streams are missing or not as posse wants them.
func streamFindings(log *natslog.Inspection) []Finding {
	var found []Finding
	var missing, good []string
	for _, stream := range log.Streams {
		switch {
		case stream.Missing:
			missing = append(missing, stream.Name)
		case len(stream.Differences) > 0:
			found = append(found, Finding{
				Problem, fmt.Sprintf("the stream %s is not as posse wants it: %s", stream.Name, settings(stream.Differences)),
				"`posse doctor --streams --apply` as OPERATOR, with --replicas and the recorders' --policies, changes what can be changed",
			})
		default:
			good = append(good, stream.Name)
		}
		if stream.Name == events.StreamQuarantine && stream.Messages > 0 {
			found = append(found, Finding{
				Warning, fmt.Sprintf("messages that are not facts, in %s: %d", stream.Name, stream.Messages),
				"look who wrote them: `nats stream view " + stream.Name + "`",
			})
		}
	}
	if len(missing) > 0 {
		found = append(found, Finding{
			Problem, names("stream", missing) + " missing",
			"start a recorder, which makes them, or run `posse doctor --streams --apply` as OPERATOR",
		})
	}
	if len(good) > 0 {
		found = append(found, ok("as posse wants them: %s", names("stream", good)))
	}
	return found
}

func settings(differences []natslog.Difference) string {
	all := make([]string, 0, maxNamed)
	for _, d := range differences[:min(len(differences), maxNamed)] {
		all = append(all, fmt.Sprintf("%s is %s, want %s", d.Setting, d.Have, d.Want))
	}
	return strings.Join(all, "; ") + further(len(differences))
}

// isReplicated says that the history has several copies.
func isReplicated(log *natslog.Inspection) bool {
	return slices.ContainsFunc(log.Streams, func(s natslog.Inspected) bool {
		return s.Name == events.StreamSessions && s.Replicas > 1
	})
}

// replicaFindings say which streams one lost disk would take, and which copies are not
// up to date.
func replicaFindings(log *natslog.Inspection) []Finding {
	var found []Finding
	var alone, single, replicated []string
	for _, stream := range log.Streams {
		switch {
		case stream.Missing:
		case stream.Replicas > 1:
			replicated = append(replicated, stream.Name)
		case stream.Cluster != "":
			alone = append(alone, stream.Name)
		default:
			single = append(single, stream.Name)
		}
		for _, replica := range stream.Behind {
			found = append(found, behindFinding(stream.Name, replica))
		}
	}
	if len(alone) > 0 {
		found = append(found, Finding{
			Problem, "not replicated, though there is a cluster: " + names("stream", alone),
			"`posse doctor --streams --apply --replicas 3` as OPERATOR; POS_TOUCHES has to be deleted first (docs/operations.md, Streams)",
		})
	}
	if len(single) > 0 {
		found = append(found, Finding{
			Warning, "not replicated, the server is alone: " + names("stream", single),
			"back them up, or run a cluster of three servers and posse with --replicas 3",
		})
	}
	if len(replicated) > 0 {
		found = append(found, ok("replicated: %s", names("stream", replicated)))
	}
	return found
}

func behindFinding(stream string, replica natslog.Replica) Finding {
	if replica.Offline {
		return Finding{
			Problem, fmt.Sprintf("server %q, which has a copy of %s, is away", replica.Server, stream),
			"start it: writing stops when one more is lost",
		}
	}
	return Finding{
		Warning, fmt.Sprintf("the copy of %s on server %q is not up to date, by %d operations", stream, replica.Server, replica.Lag),
		"ask again in a minute; if it does not get better, look at that server's disk and network",
	}
}

// readerFindings say which durable consumers of the history nobody reads.
func readerFindings(log *natslog.Inspection) []Finding {
	found := make([]Finding, 0, maxNamed)
	for _, consumer := range log.Unread[:min(len(log.Unread), maxNamed)] {
		found = append(found, Finding{
			Warning,
			fmt.Sprintf("nobody reads the consumer %q of the history; messages that wait: %d", consumer.Name, consumer.Pending),
			"start its reader, or remove it: `nats consumer rm " + events.StreamSessions + "`",
		})
	}
	return found
}

// roomFindings say how much of what the account may store is used.
func roomFindings(log *natslog.Inspection, reserve int64) []Finding {
	if log.Limit < 0 {
		return []Finding{ok("%s are stored; the account has no limit of its own", size(log.Stored))}
	}
	return fullness("what the NATS account may store", log.Stored, log.Limit, reserve, "raise max_file of the account's jetstream block")
}

// fullness judges how full something is; a limit of 0 or less is none. With less left
// than the reserve, recorders refuse logins.
func fullness(what string, used, limit, reserve int64, mend string) []Finding {
	if limit <= 0 {
		return nil
	}
	share := float64(used) / float64(limit)
	finding := ok("%s is %.0f%% full (%s of %s)", what, 100*share, size(used), size(limit))
	switch {
	case limit-used < reserve:
		finding.Level = Problem
		finding.Found += fmt.Sprintf(": logins are refused, and what is left is kept for ending sessions (--storage-reserve, %s)",
			size(reserve))
		finding.Do = mend + "; logins are taken again by themselves"
	case share >= fullProblem:
		finding.Level, finding.Do = Problem, mend+", before logins are refused"
	case share >= fullWarning:
		finding.Level, finding.Do = Warning, mend
	}
	return []Finding{finding}
}

func size(bytes int64) string {
	amount, units := float64(bytes)/1024, []string{"KiB", "MiB", "GiB", "TiB"}
	for amount >= 1024 && len(units) > 1 {
		amount, units = amount/1024, units[1:]
	}
	return fmt.Sprintf("%.1f %s", amount, units[0])
}

// names lists things of a kind: stream A, streams A and B.
func names(kind string, all []string) string {
	if len(all) == 1 {
		return kind + " " + all[0]
	}
	return kind + "s " + strings.Join(all[:min(len(all), maxNamed)], ", ") + further(len(all))
}

func further(n int) string {
	if n <= maxNamed {
		return ""
	}
	return fmt.Sprintf(" and %d more", n-maxNamed)
}
