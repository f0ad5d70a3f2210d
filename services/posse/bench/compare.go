package bench

import (
	"context"
	"runtime"
	"time"
)

// workload does n things and is timed.
type workload struct {
	name string
	// prepare returns what is timed, and what cleans up after it.
	prepare func(ctx context.Context) (work func(ctx context.Context) (int, error), cleanup func(), err error)
}

// plain is a workload that needs nothing prepared.
func plain(name string, work func(ctx context.Context) (int, error)) workload {
	return workload{name, func(context.Context) (func(context.Context) (int, error), func(), error) {
		runtime.GC() // what was left behind is not its own
		return work, func() {}, nil
	}}
}

// compare runs the two in turn, as often as there are rounds, and prints the
// median rates and their ratio.
func (r *run) compare(ctx context.Context, posse, limit workload, aim string) error {
	var got, most []float64
	for range r.Rounds {
		for _, w := range []struct {
			workload
			rates *[]float64
		}{{limit, &most}, {posse, &got}} {
			rate, err := timed(ctx, w.workload)
			if err != nil {
				return err
			}
			*w.rates = append(*w.rates, rate)
		}
	}
	r.rate(limit.name, median(most))
	r.rate(posse.name, median(got))
	r.ratio(median(got), median(most), aim)
	return nil
}

// timed returns things per second.
func timed(ctx context.Context, w workload) (float64, error) {
	work, cleanup, err := w.prepare(ctx)
	if err != nil {
		return 0, err
	}
	defer cleanup()
	start := time.Now()
	n, err := work(ctx)
	return float64(n) / time.Since(start).Seconds(), err
}
