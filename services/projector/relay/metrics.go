package relay

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	published, skipped, ticks, failures, restarts, undecodable prometheus.Counter

	lagEvents      prometheus.Gauge
	publishSeconds prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, tickAge func() float64) (*metrics, error) {
	m := &metrics{
		published:   counter("revocations_total", "Revocations stored in POS_REVOCATIONS, repeated ones too."),
		skipped:     counter("expired_total", "Revocations not relayed because their session had expired."),
		ticks:       counter("ticks_total", "Ticks sent."),
		failures:    counter("failures_total", "Writes and questions to the log that failed and were tried again."),
		restarts:    counter("restarts_total", "Times the whole log was relayed again because it had changed underneath."),
		undecodable: counter("undecodable_total", "Facts that could not be decoded and so were not relayed."),
		lagEvents: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "posse", Subsystem: component, Name: "lag_events", Help: "Facts waiting to be looked at.",
		}),
		publishSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "posse", Subsystem: component, Name: "publish_seconds", Help: "Time to store a batch of revocations.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.published, m.skipped, m.ticks, m.failures, m.restarts, m.undecodable, m.lagEvents, m.publishSeconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "posse", Subsystem: component, Name: "tick_age_seconds", Help: "Time since the last tick, -1 before the first.",
		}, tickAge),
	} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("relay: register metrics: %w", err)
		}
	}
	return m, nil
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "posse", Subsystem: component, Name: name, Help: help})
}
