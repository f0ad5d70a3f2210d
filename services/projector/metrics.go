package projector

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	batches, events, failures, fenced, undecodable *prometheus.CounterVec

	halted                          *prometheus.GaugeVec
	applySeconds                    *prometheus.HistogramVec
	parsed, swept, announceFailures prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, streams []*follower) (*metrics, error) {
	m := &metrics{
		batches:          perStream("batches_total", "Batches committed."),
		events:           perStream("events_total", "Events committed."),
		failures:         perStream("failures_total", "Attempts on a batch that failed and were repeated."),
		fenced:           perStream("fenced_total", "Times another projector had moved the position."),
		undecodable:      perStream("undecodable_total", "Events that could not be decoded and went to quarantine."),
		parsed:           single("devices_parsed_total", "Devices told from a user agent that the read model had not seen."),
		swept:            single("swept_total", "Old sessions forgotten."),
		announceFailures: single("announce_failures_total", "Announcements that could not be sent."),
		halted: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "halted",
			Help: "1 when the log does not continue where the read model stands.",
		}, []string{labelStream}),
		applySeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "apply_seconds",
			Help: "Time to parse and commit a batch.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{labelStream}),
	}
	for _, f := range streams {
		m.halted.WithLabelValues(f.stream).Set(0)
		if err := register(registerer, lag(f)); err != nil {
			return nil, err
		}
	}
	return m, register(registerer, []prometheus.Collector{
		m.batches, m.events, m.failures, m.fenced, m.undecodable, m.parsed, m.swept, m.announceFailures, m.halted, m.applySeconds,
	})
}

func register(registerer prometheus.Registerer, collectors []prometheus.Collector) error {
	if registerer == nil {
		return nil
	}
	for _, c := range collectors {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("projector: register metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) applied(stream string, events int, took time.Duration) {
	m.batches.WithLabelValues(stream).Inc()
	m.events.WithLabelValues(stream).Add(float64(events))
	m.applySeconds.WithLabelValues(stream).Observe(took.Seconds())
}

const (
	namespace   = "posse"
	subsystem   = "projector"
	labelStream = "stream"
)

func lag(f *follower) []prometheus.Collector {
	labels := prometheus.Labels{labelStream: f.stream}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "lag_events",
			Help: "Events waiting behind the last batch.", ConstLabels: labels,
		}, func() float64 { return float64(f.pending.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "lag_seconds",
			Help: "Age of the read model at worst.", ConstLabels: labels,
		}, f.lagSeconds),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "position",
			Help: "Sequence that the read model shows.", ConstLabels: labels,
		}, func() float64 { return float64(f.at.Load()) }),
	}
}

func perStream(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}, []string{labelStream})
}

func single(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}
