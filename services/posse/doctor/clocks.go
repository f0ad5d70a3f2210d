package doctor

import (
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

const (
	// clockWarning is more than machines that ask for the time differ by, and
	// clockProblem more than gateways let pass: see clock of package gateway.
	clockWarning = time.Second
	clockProblem = 5 * time.Second

	// tickTolerance is after how long without a tick gateways are stale.
	tickTolerance = 5 * time.Second
)

// here is this machine, among those whose clocks are compared.
const here = "this machine's"

// clockFinding judges a clock that is ahead of another by so much, known to within
// some error. Positive means ahead.
func clockFinding(whose string, ahead, within time.Duration, than string) Finding {
	certain := max(0, ahead.Abs()-within)
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	if certain <= clockWarning {
		bound := max(time.Millisecond, (ahead.Abs() + within).Round(time.Millisecond))
		return ok("the clock of %s agrees with %s, to within %v", whose, than, bound)
	}
	finding := Finding{
		Warning, fmt.Sprintf("the clock of %s is %v %s %s", whose, ahead.Abs().Round(100*time.Millisecond), direction, than),
		"let all machines set their clocks by NTP, and see that it works (`timedatectl`, `chronyc tracking`)",
	}
	if certain > clockProblem {
		finding.Level = Problem
	}
	return finding
}

// clockFindings compare this machine with each server of NATS, and the servers with
// the relay and with the recorder that wrote last.
func clockFindings(log *natslog.Inspection) []Finding {
	var found []Finding
	asked := map[string]bool{}
	for _, stream := range log.Streams {
		if stream.Clock.IsZero() || asked[stream.Leader] {
			continue
		}
		asked[stream.Leader] = true
		found = append(found, clockFinding(natsServer(stream.Leader), stream.Clock.Sub(stream.Asked), stream.Within, here))
	}
	if tick := log.Tick; tick != nil {
		whose := fmt.Sprintf("the relay %q", tick.Relay)
		found = append(found, clockFinding(whose, tick.Written.Time().Sub(tick.Stored), 0, "that of NATS"))
	}
	if fact := log.Fact; fact != nil {
		whose := fmt.Sprintf("%s, when it last recorded something (%s),", fact.Source, fact.Stored.UTC().Format(time.RFC3339))
		found = append(found, clockFinding(whose, fact.Time.Sub(fact.Stored), 0, "that of NATS"))
	}
	return found
}

func natsServer(name string) string {
	if name == "" {
		return "NATS"
	}
	return fmt.Sprintf("the NATS server %q", name)
}

// relayFindings say whether gateways hear a relay.
func relayFindings(log *natslog.Inspection) []Finding {
	const mend = "start a projector, which is the relay too, or see what its log says"
	for _, stream := range log.Streams {
		if stream.Name != events.StreamRevocations || stream.Missing {
			continue
		}
		switch age := stream.Clock.Sub(stampOf(log)); {
		case log.Tick == nil:
			return []Finding{{Problem, "no relay has written a tick: gateways are stale", mend}}
		case age > tickTolerance:
			return []Finding{{Problem, fmt.Sprintf("the last tick of a relay is %v old: gateways are stale", age.Round(time.Second)), mend}}
		case log.Tick.Written.Time().Sub(log.Tick.AsOf.Time()) > tickTolerance:
			lag := log.Tick.Written.Time().Sub(log.Tick.AsOf.Time()).Round(time.Second)
			return []Finding{{Problem, fmt.Sprintf("the relay is %v behind the history: gateways are stale", lag), mend}}
		}
		return []Finding{ok("the relay %q ticks", log.Tick.Relay)}
	}
	return nil
}

func stampOf(log *natslog.Inspection) time.Time {
	if log.Tick == nil {
		return time.Time{}
	}
	return log.Tick.Stored
}
