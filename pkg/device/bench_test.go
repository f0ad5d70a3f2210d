package device_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/device"
)

// BenchmarkParse compares a user agent seen before with one that is new, and
// says how many times faster the former is.
func BenchmarkParse(b *testing.B) {
	agents := readAgents(b)
	known := device.NewParser(0)
	for _, a := range agents {
		known.Parse(a.declared, a.userAgent)
	}
	var cached, fresh time.Duration
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a := agents[i%len(agents)]
			known.Parse(a.declared, a.userAgent)
		}
		cached = b.Elapsed() / time.Duration(b.N)
	})
	b.Run("new", func(b *testing.B) {
		parser := device.NewParser(1)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a := agents[i%len(agents)]
			parser.Parse(a.declared, a.userAgent+" "+strconv.Itoa(i))
		}
		fresh = b.Elapsed() / time.Duration(b.N)
		if cached > 0 {
			b.ReportMetric(float64(fresh)/float64(cached), "times-cached")
		}
	})
	b.Run("hostile", func(b *testing.B) {
		parser, hostile := device.NewParser(1), strings.Repeat("Android ;Mac OS X ", 40)
		for i := 0; b.Loop(); i++ {
			parser.Parse(device.Declared{}, strconv.Itoa(i)+hostile)
		}
	})
}
