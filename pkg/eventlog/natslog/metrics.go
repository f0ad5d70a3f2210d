package natslog

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the log's own; Watermill's middleware adds how long handlers take.
type metrics struct {
	appended, touched, revoked, conflicts prometheus.Counter

	unopened    *prometheus.CounterVec // reason
	quarantined *prometheus.CounterVec // stream, follower
	retried     *prometheus.CounterVec // follower
	resumed     *prometheus.CounterVec // follower
	position    *prometheus.GaugeVec   // follower
	pending     *prometheus.GaugeVec   // follower
	behind      *prometheus.GaugeVec   // follower
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	r := &registry{to: registerer}
	m := &metrics{
		appended:    counter(r, "appended_total", "Facts appended to users' histories."),
		touched:     counter(r, "touched_total", "Last activities stored."),
		revoked:     counter(r, "revocations_published_total", "Revocations published for gateways."),
		conflicts:   counter(r, "conflicts_total", "Appends refused because the user's history had moved on."),
		unopened:    counters(r, "unopened_total", "Facts whose personal data did not open: destroyed (its key), broken.", "reason"),
		quarantined: counters(r, "quarantined_total", "Messages that could not be decoded.", "stream", "follower"),
		retried:     counters(r, "follower_retries_total", "Batches handed to their handler again.", "follower"),
		resumed:     counters(r, "follower_resumes_total", "Times a follower had to take up its stream again.", "follower"),
		position:    gauges(r, "follower_position", "Sequence up to which a follower has handled its stream.", "follower"),
		pending:     gauges(r, "follower_pending", "Messages behind a follower's last batch.", "follower"),
		behind:      gauges(r, "follower_lag_seconds", "Age of a follower's last batch when it was handled; 0 at the end.", "follower"),
	}
	return m, r.err
}

// registry registers, or finds what a log in the same process registered.
type registry struct {
	to  prometheus.Registerer
	err error
}

const namespace, subsystem = "posse", "log"

func counter(r *registry, name, help string) prometheus.Counter {
	return register(r, prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}))
}

func counters(r *registry, name, help string, labels ...string) *prometheus.CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}, labels))
}

func gauges(r *registry, name, help string, labels ...string) *prometheus.GaugeVec {
	return register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
	}, labels))
}

func register[C prometheus.Collector](r *registry, collector C) C {
	if r.to == nil {
		return collector
	}
	err := r.to.Register(collector)
	if err == nil {
		return collector
	}
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := already.ExistingCollector.(C); ok {
			return same
		}
	}
	r.err = errors.Join(r.err, fmt.Errorf("natslog: register metrics: %w", err))
	return collector
}
