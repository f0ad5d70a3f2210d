package proof

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namespace = "posse"
	subsystem = "auditor"
)

type metrics struct {
	halted, signedSize    prometheus.Gauge
	checkpoints, failures prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, a *Auditor) (*metrics, error) {
	m := &metrics{
		halted:      prometheus.NewGauge(gauge("halted", "1 when the log is not what was read or signed of it.")),
		signedSize:  prometheus.NewGauge(gauge("checkpoint_size", "Events under the newest checkpoint that this auditor signed.")),
		checkpoints: prometheus.NewCounter(prometheus.CounterOpts(gauge("checkpoints_total", "Checkpoints signed and kept."))),
		failures: prometheus.NewCounter(prometheus.CounterOpts(
			gauge("checkpoint_failures_total", "Checkpoints that could not be kept and were tried again."))),
	}
	if registerer == nil {
		return m, nil
	}
	position := prometheus.NewGaugeFunc(gauge("position", "Sequence of the last event read."), a.position)
	for _, c := range []prometheus.Collector{m.halted, m.signedSize, m.checkpoints, m.failures, position} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("proof: register metrics: %w", err)
		}
	}
	return m, nil
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
}
