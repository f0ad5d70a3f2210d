package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/posse-pos/posse/services/auditor/proof"
)

const verified = 10_000_000 // events, if Config.Events does not say

// measureVerify has an auditor sign a history and verifies it: when a tenth of it is
// there, and the whole. What grows in between is the history alone; memory must not.
func measureVerify(ctx context.Context, r *run) error {
	rig, err := openBusRig(ctx, r.Dir, volatile)
	if err != nil {
		return err
	}
	defer rig.close()
	key, err := proof.OpenKey(filepath.Join(rig.dir, "keys"), "bench.example/history")
	if err != nil {
		return err
	}
	p := &proving{
		run: r, rig: rig, key: key, history: historyOf(r.Events, verified),
		dir: filepath.Join(rig.dir, "audit"), place: proof.Directory(filepath.Join(rig.dir, "elsewhere")),
	}
	r.section("signing and verifying the history, from a NATS server that is a process of its own")
	first := max(p.history.users/10, 1)
	if err := p.upTo(ctx, 0, first); err != nil {
		return err
	}
	return p.upTo(ctx, first, p.history.users)
}

// proving is a history under measurement.
type proving struct {
	*run

	rig     *busRig
	key     proof.Key
	history history
	dir     string
	place   proof.Place
}

// upTo adds the events of some users, signs them, and verifies all.
func (p *proving) upTo(ctx context.Context, first, last int) error {
	js := p.rig.conn.JetStream()
	if err := p.history.write(ctx, js, first, last); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	n := last * p.history.facts
	name := grouped(float64(n)) + " events"
	began := time.Now()
	if err := consumed(ctx, js, n); err != nil {
		return err
	}
	bare := time.Since(began)
	began = time.Now()
	if err := p.sign(ctx); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	p.rate("signed by an auditor", float64((last-first)*p.history.facts)/time.Since(began).Seconds())
	summary, most, err := p.verify(ctx)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if summary.Findings > 0 || summary.Covered != uint64(n) {
		return fmt.Errorf("%d events are verified with %d findings, want %d with none", summary.Covered, summary.Findings, n)
	}
	p.row(name+" verified in", summary.Took.Round(10*time.Millisecond).String(), "")
	p.rate("  events", float64(n)/summary.Took.Seconds())
	p.row("  most memory meanwhile", fmt.Sprintf("%.1f MB", float64(most)/(1<<20)), "the same for both")
	p.row("  against a bare ordered consumer", fmt.Sprintf("%.2f", bare.Seconds()/summary.Took.Seconds()), "")
	return nil
}

// sign has an auditor read what is new, and sign it at its end.
func (p *proving) sign(ctx context.Context) error {
	auditor, err := proof.New(ctx, proof.Config{Log: p.rig.log, Key: p.key, Dir: p.dir, Checkpoints: p.place, Logger: quiet})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- auditor.Run(running) }()
	// It takes as long as the history is.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for err := auditor.Ready(); err != nil && !errors.Is(err, proof.ErrHalted); err = auditor.Ready() {
		select {
		case err := <-ended:
			return errors.Join(err, auditor.Close())
		case <-look.C:
		}
	}
	end() // and it signs
	return errors.Join(<-ended, auditor.Close())
}

func (p *proving) verify(ctx context.Context) (summary proof.Summary, most uint64, err error) {
	verifiers, err := proof.Verifiers(p.key.Public())
	if err != nil {
		return proof.Summary{}, 0, err
	}
	debug.FreeOSMemory()
	most, err = atMost(ctx, func(ctx context.Context) error {
		summary, err = proof.Verify(ctx, proof.Verification{
			Log: p.rig.log, Places: []proof.Place{p.place}, Dir: p.dir, Verifiers: verifiers, Report: func(proof.Finding) {},
		})
		return err
	})
	return summary, most, err
}

// atMost runs do, and returns the most memory that this process had from the system
// meanwhile and did not have before.
func atMost(ctx context.Context, do func(context.Context) error) (most uint64, err error) {
	runtime.GC()
	before := resident()
	ctx, cancel := context.WithCancel(ctx)
	peaks := make(chan uint64, 1)
	go func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		peak := before
		for {
			select {
			case <-ctx.Done():
				peaks <- peak
				return
			case <-ticker.C:
				peak = max(peak, resident())
			}
		}
	}()
	err = do(ctx)
	cancel()
	return <-peaks - before, err
}

// resident is how many bytes this process has from the system for Go's use.
func resident() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
