package recorder

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/commands"
)

type metrics struct {
	commands  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	folds     *prometheus.CounterVec
	conflicts prometheus.Counter
	swept     prometheus.Counter
	shed      *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer, p *places, left *room) (*metrics, error) {
	m := &metrics{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posse_recorder_commands_total", Help: "Commands by kind and by what they came to: ok, or the reason of the refusal.",
		}, []string{"command", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posse_recorder_command_seconds", Help: "How long commands took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"command"}),
		folds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posse_recorder_folds_total", Help: "Where the state of a user came from: cache, rows of the read model, or the log.",
		}, []string{"source"}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posse_recorder_conflicts_total", Help: "Appends that were decided anew because somebody else had written.",
		}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posse_recorder_idle_sessions_total", Help: "Sessions that the sweep ended because nobody used them.",
		}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posse_recorder_shed_total", Help: "Commands that were refused because there were too many, by kind and by why: " +
				"full when no more may wait, late when one waited for too long, share when its tenant had its share.",
		}, []string{"command", "why"}),
	}
	if registry == nil {
		return m, nil
	}
	storage := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posse_recorder_storage_left_bytes", Help: "How much the log can still store; NaN if nobody tells.",
	}, left.leftBytes)
	reserve := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posse_recorder_storage_reserve_bytes", Help: "With less left than this, logins are refused and sessions only end.",
	}, func() float64 { return float64(left.reserve) })
	underWay := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posse_recorder_commands_under_way", Help: "Commands that are being carried out.",
	}, func() float64 { taken, _ := p.count(); return float64(taken) })
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posse_recorder_commands_waiting", Help: "Commands that wait to be carried out.",
	}, func() float64 { _, waiting := p.count(); return float64(waiting) })
	for _, c := range []prometheus.Collector{
		m.commands, m.seconds, m.folds, m.conflicts, m.swept, m.shed, underWay, waiting, storage, reserve,
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("recorder: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) begin(command string) (done func(error)) {
	began := time.Now()
	return func(err error) {
		m.seconds.WithLabelValues(command).Observe(time.Since(began).Seconds())
		m.commands.WithLabelValues(command, outcomeOf(err)).Inc()
		if refused, ok := errors.AsType[*shedError](err); ok {
			m.shed.WithLabelValues(command, refused.why).Inc()
		}
	}
}

func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	if e, ok := errors.AsType[*commands.Error](err); ok {
		return string(e.Reason)
	}
	return string(commands.ReasonInternal)
}
