package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

const (
	bareAhead  = 2000 // messages that a bare consumer asks for ahead
	sampleHeap = 2 * time.Millisecond
)

// startUp prints what it takes a gateway to start with the whole stream, from NATS
// and from a snapshot.
func (r *run) startUp(ctx context.Context, rig *busRig) error {
	if err := r.loads(ctx, rig); err != nil {
		return err
	}
	if err := r.loadedMemory(ctx, rig); err != nil {
		return err
	}
	return r.snapshots(ctx, rig)
}

// loads compares the gateway with a consumer that drops what it reads.
func (r *run) loads(ctx context.Context, rig *busRig) error {
	issuer := gatewaytest.NewIssuer()
	var untilReady []float64
	posse := workload{"a gateway of the SDK loads them", func(context.Context) (func(context.Context) (int, error), func(), error) {
		runtime.GC()
		began := time.Now()
		g, err := rig.follower(ctx, issuer, func(*gateway.Config) {})
		if err != nil {
			return nil, nil, err
		}
		load := func(ctx context.Context) (int, error) { return r.Revocations, holds(ctx, g, r.Revocations) }
		return load, func() {
			_ = ready(ctx, g.Ready) // who waits for it in vain has that in the figure
			untilReady = append(untilReady, time.Since(began).Seconds())
			g.Close()
		}, nil
	}}
	limit := plain("a bare consumer reads and drops them", func(ctx context.Context) (int, error) {
		return r.Revocations, rig.readAll(ctx, r.Revocations)
	})
	if err := r.compare(ctx, posse, limit, "≥ 0.50"); err != nil {
		return err
	}
	r.row("from New to Ready", shortSeconds(median(untilReady)), "")
	return nil
}

// readAll reads n messages with nats.go and forgets them.
func (r *busRig) readAll(ctx context.Context, n int) error {
	conn, err := nats.Connect(r.url)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, events.StreamRevocations, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{events.SubjectRevocations},
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(bareAhead))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range n {
		if _, err := messages.Next(); err != nil {
			return err
		}
	}
	return nil
}

// loadedMemory prints what a gateway takes that holds them all, and what it takes
// at most while it loads them.
func (r *run) loadedMemory(ctx context.Context, rig *busRig) error {
	before := heap()
	peak := watchHeap()
	g, err := rig.follower(ctx, gatewaytest.NewIssuer(), func(*gateway.Config) {})
	if err != nil {
		return err
	}
	defer g.Close()
	err = ready(ctx, g.Ready)
	most := peak()
	if err != nil {
		return err
	}
	used := heap() - before
	r.row("heap of the gateway", megabytes(used), "")
	r.row("  of each revocation", fmt.Sprintf("%d bytes", used/uint64(r.Revocations)), "≤ 120 bytes")
	r.row("  at most while it loads", megabytes(most-before), "")
	return nil
}

// watchHeap looks at the heap, garbage included, until it is asked for the most
// that it was.
func watchHeap() (most func() uint64) {
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		ticker := time.NewTicker(sampleHeap)
		defer ticker.Stop()
		var most uint64
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-ticker.C:
			case <-stop:
				peak <- most
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-peak
	}
}

// snapshots prints what it takes to write them all to a file and to start from it
// while NATS is away.
func (r *run) snapshots(ctx context.Context, rig *busRig) error {
	issuer := gatewaytest.NewIssuer()
	file := filepath.Join(r.Dir, "snapshot")
	wrote, err := r.closing(ctx, rig, issuer, file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	bare, err := writeBare(filepath.Join(r.Dir, "bare"), data)
	if err != nil {
		return err
	}
	r.row("size of the snapshot", megabytes(uint64(len(data))), "")
	r.row("bare write and sync of so many bytes", short(bare), "")
	r.row("closing the gateway, which writes the snapshot", short(wrote), "")
	r.ratio(wrote.Seconds(), bare.Seconds(), "")
	away := busRig{child: &child{url: "nats://127.0.0.1:1"}} // where nobody answers
	var starts []float64
	for range r.Rounds {
		runtime.GC()
		began := time.Now()
		g, err := away.follower(ctx, issuer, func(c *gateway.Config) { c.SnapshotFile, c.Stale = file, gateway.FailOpen })
		if err != nil {
			return err
		}
		err = ready(ctx, g.Ready)
		starts = append(starts, time.Since(began).Seconds())
		g.Close()
		if err != nil {
			return err
		}
	}
	r.row("from New to Ready with it, NATS away", shortSeconds(median(starts)), "")
	return nil
}

// closing returns how long a gateway takes to close that holds them all and is fresh.
func (r *run) closing(ctx context.Context, rig *busRig, issuer *gatewaytest.Issuer, file string) (took time.Duration, err error) {
	g, err := rig.follower(ctx, issuer, func(c *gateway.Config) { c.SnapshotFile = file })
	if err != nil {
		return 0, err
	}
	err = ready(ctx, g.Ready)
	began := time.Now()
	g.Close()
	return time.Since(began), err
}

func writeBare(path string, data []byte) (time.Duration, error) {
	began := time.Now()
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return 0, err
	}
	err = file.Sync()
	return time.Since(began), err
}

func shortSeconds(seconds float64) string {
	return short(time.Duration(seconds * float64(time.Second)))
}

func megabytes(bytes uint64) string { return decimals(float64(bytes)/1e6, 1) + " MB" }
