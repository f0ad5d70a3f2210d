package history

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namespace = "posse"
	subsystem = "history"
)

// How an answer ended.
const (
	endedComplete   = "complete"
	endedByClient   = "client_gone"
	endedSlow       = "slow_reader"
	endedNotAllowed = "not_allowed" // the caller's session has ended, or the token's time
	endedByLog      = "log_failed"
)

type metrics struct {
	requests, ended *prometheus.CounterVec
	facts           prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, streams func() int) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(counter("requests_total", "Requests for the history."), []string{"status"}),
		ended:    prometheus.NewCounterVec(counter("streams_ended_total", "Answers that ended, and how."), []string{"how"}),
		facts:    prometheus.NewCounter(counter("facts_total", "Facts written.")),
	}
	if registerer == nil {
		return m, nil
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "streams", Help: "Answers under way.",
	}, func() float64 { return float64(streams()) })
	for _, c := range []prometheus.Collector{m.requests, m.ended, m.facts, open} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("history: register metrics: %w", err)
		}
	}
	return m, nil
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
}

func (m *metrics) answered(status int) { m.requests.WithLabelValues(strconv.Itoa(status)).Inc() }
