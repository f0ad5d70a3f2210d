package bench

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
)

// report writes the figures. A section has one line of title and rows below it.
type report struct{ out io.Writer }

func (r *report) header() {
	fmt.Fprintf(r.out, "posse bench: %s %s/%s, %d cores, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.GOMAXPROCS(0), revision())
	fmt.Fprintln(r.out, "Ratios are of the medians of one run; their limits are measured in turn with them.")
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown version"
	}
	return info.Main.Version
}

func (r *report) section(title string) { fmt.Fprintf(r.out, "\n%s\n", title) }

// row prints a figure, and the aim if it has one.
func (r *report) row(name, figure, aim string) {
	if aim != "" {
		aim = "   aim " + aim
	}
	fmt.Fprintf(r.out, "  %-46s %16s%s\n", name, figure, aim)
}

// rate prints a number of things per second.
func (r *report) rate(name string, perSecond float64) {
	r.row(name, grouped(perSecond)+"/s", "")
}

// ratio prints how near a figure comes to its limit.
func (r *report) ratio(got, limit float64, aim string) {
	r.row("ratio", strconv.FormatFloat(got/limit, 'f', 2, 64), aim)
}

// latency prints the median and the 99th percentile.
func (r *report) latency(name string, samples []time.Duration, aim string) {
	if aim != "" {
		aim = "p99 " + aim
	}
	r.row(name, latencyOf(samples), aim)
}

// latencyOf is the median and the 99th percentile.
func latencyOf(samples []time.Duration) string {
	slices.Sort(samples)
	return fmt.Sprintf("%s, p99 %s", short(percentile(samples, 50)), short(percentile(samples, 99)))
}

// percentile of sorted samples, by nearest rank.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p/100*float64(len(sorted)))) - 1
	return sorted[max(rank, 0)]
}

func median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[len(sorted)/2]
}

func short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return d.Round(10 * time.Nanosecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

// grouped writes 12,345.
func grouped(x float64) string {
	digits := strconv.FormatInt(int64(math.Round(x)), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
