package gateway

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/gateway"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("posse_gateway_"+name, help, labels, nil)
}

var (
	descDecisions = describe("decisions_total", "Decisions by reason; allowed_stale is one that the stale policy allowed.", "reason")
	descEntries   = describe("deny_set_entries", "Revoked sessions that are remembered.")
	descAge       = describe("staleness_seconds", "How old the newest word of a relay is; NaN before the revocations were loaded.")
	descStale     = describe("stale", "1 while newer revocations may be missing.")
	descApplied   = describe("applied_position", "Position in POS_SESSIONS up to which every revocation is known.")
	descTouches   = describe("touches_total", "Requests by what became of their touch: sent, coalesced into a later one, "+
		"retried, or dropped because too many sessions are tracked.", "outcome")
	descTracked  = describe("tracked_sessions", "Sessions whose activity is tracked.")
	descBadTicks = describe("unreadable_ticks_total", "Ticks that could not be read.")
	descStreams  = describe("open_streams", "Upgraded connections and answers without an end that pass through the proxy.")
)

// collector reads the gateway's numbers when Prometheus asks.
type collector struct{ *Service }

// Describe says which metrics there are.
func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descDecisions, descEntries, descAge, descStale, descApplied, descTouches, descTracked, descBadTicks, descStreams,
	} {
		out <- d
	}
}

// Collect reads them.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.gateway.Stats()
	gauge := func(d *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	count := func(d *prometheus.Desc, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	for _, reason := range gateway.Reasons() {
		count(descDecisions, s.Decisions[reason], string(reason))
	}
	gauge(descEntries, float64(s.Entries))
	gauge(descAge, age(s))
	gauge(descStale, one(s.Stale))
	gauge(descApplied, float64(s.Applied))
	count(descTouches, s.TouchesSent, "sent")
	count(descTouches, s.TouchesCoalesced, "coalesced")
	count(descTouches, s.TouchesFailed, "retried")
	count(descTouches, s.TouchesDropped, "dropped")
	gauge(descTracked, float64(s.TrackedSessions))
	count(descBadTicks, s.UnreadableTicks)
	gauge(descStreams, float64(c.streams.count()))
}

func age(s gateway.Stats) float64 {
	if !s.Loaded {
		return math.NaN()
	}
	return s.Age.Seconds()
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
