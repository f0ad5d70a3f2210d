package replay_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/replay"
)

var errKilled = errors.New("killed")

// resumable is a replay into a file with a state.
type resumable struct {
	*rig

	dir string
}

func (r *resumable) state() string  { return filepath.Join(r.dir, "state") }
func (r *resumable) output() string { return filepath.Join(r.dir, "out") }

// run goes on; encoder may fail, and seen hears of each page.
func (r *resumable) run(query replay.Query, encoder replay.Encoder, seen func(replay.Progress)) error {
	r.t.Helper()
	file, err := os.OpenFile(r.output(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	_, err = replay.Run(r.ctx, replay.Config{
		Log: r.log, Query: query, Sink: replay.NewFileLines(encoder, file), Progress: seen,
		State: &replay.StateFile{Path: r.state(), Format: "ndjson"},
	})
	return err
}

func (r *resumable) read(path string) string {
	r.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r *resumable) write(path, data string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestResumeAfterAnyLine ends replays between two lines, again and again, and has
// each go on; what was stored meanwhile does not matter.
func TestResumeAfterAnyLine(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.history(1500) // nine pages, of which four are committed at once
	query := replay.Query{Tenant: "shop"}
	want := base.replay(query, replay.NDJSON{})
	for range 3 {
		r := &resumable{rig: base, dir: t.TempDir()}
		kills := 0
		for {
			left := rand.IntN(8000)
			err := r.run(query, encoderFunc(func(line []byte, fact eventlog.Recorded) ([]byte, error) {
				left--
				if left < 0 {
					return nil, errKilled
				}
				return replay.NDJSON{}.Append(line, fact)
			}), nil)
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			kills++
			// A write that was under way when the power went.
			r.write(r.output(), r.read(r.output())+`{"sequence":`)
		}
		if got := r.read(r.output()); got != want {
			t.Fatalf("after %d kills: %d bytes that differ from the %d of an uninterrupted replay", kills, len(got), len(want))
		}
	}
}

// TestResumeFromAnOlderState is a kill between the output and the state: the file
// holds more than the state says.
func TestResumeFromAnOlderState(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.history(600)
	r := &resumable{rig: base, dir: t.TempDir()}
	var states []string
	if err := r.run(replay.Query{}, replay.NDJSON{}, func(replay.Progress) { states = append(states, r.read(r.state())) }); err != nil {
		t.Fatal(err)
	}
	want := r.read(r.output())
	if len(states) < 4 {
		t.Fatalf("%d pages, want at least 4", len(states))
	}
	base.append(login("shop", "late", "s")) // not part of a replay that is under way
	for i, state := range states {
		r.write(r.state(), state)
		if err := r.run(replay.Query{}, replay.NDJSON{}, nil); err != nil {
			t.Fatal(err)
		}
		if r.read(r.output()) != want {
			t.Fatalf("resumed from page %d, the output differs", i)
		}
	}
}

// TestNextRunGoesOn with what was stored since the last one ended.
func TestNextRunGoesOn(t *testing.T) {
	t.Parallel()
	base := setup(t)
	r := &resumable{rig: base, dir: t.TempDir()}
	for range 3 {
		base.history(2)
		if err := r.run(replay.Query{Tenant: "other"}, replay.NDJSON{}, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := r.read(r.output()), base.replay(replay.Query{Tenant: "other"}, replay.NDJSON{}); got != want {
			t.Fatalf("got\n%swant\n%s", got, want)
		}
	}
	if err := r.run(replay.Query{Tenant: "other"}, replay.NDJSON{}, nil); err != nil {
		t.Fatalf("nothing new: %v", err)
	}
}

func TestStateOfSomethingElse(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.history(1)
	r := &resumable{rig: base, dir: t.TempDir()}
	query := replay.Query{Types: []events.Type{events.TypeRevoked}}
	if err := r.run(query, replay.NDJSON{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.run(replay.Query{}, replay.NDJSON{}, nil); !errors.Is(err, replay.ErrState) {
		t.Errorf("another query: %v, want ErrState", err)
	}
	state, output := r.read(r.state()), r.read(r.output())
	r.write(r.output(), output[1:])
	if err := r.run(query, replay.NDJSON{}, nil); !errors.Is(err, replay.ErrState) {
		t.Errorf("output that lost a byte: %v, want ErrState", err)
	}
	r.write(r.state(), state[1:])
	if err := r.run(query, replay.NDJSON{}, nil); !errors.Is(err, replay.ErrState) {
		t.Errorf("a state that is no JSON: %v, want ErrState", err)
	}
	r.write(r.state(), state)
	r.write(r.output(), output)
	r.rig = setup(t)
	if err := r.run(query, replay.NDJSON{}, nil); !errors.Is(err, eventlog.ErrGap) {
		t.Errorf("another log: %v, want ErrGap", err)
	}
}

// TestAReplayThatIsCutOffSaysSo ends the context of replays somewhere: one that says
// that all went well has written everything, and one that does not goes on.
func TestAReplayThatIsCutOffSaysSo(t *testing.T) {
	t.Parallel()
	base := setup(t)
	base.history(500)
	query := replay.Query{Tenant: "shop"}
	want := base.replay(query, replay.NDJSON{})
	for range 20 {
		cut := *base
		ctx, cancel := context.WithCancel(base.ctx)
		cut.ctx = ctx
		r := &resumable{rig: &cut, dir: t.TempDir()}
		left := rand.IntN(3000)
		err := r.run(query, encoderFunc(func(line []byte, fact eventlog.Recorded) ([]byte, error) {
			left--
			if left == 0 {
				cancel()
			}
			return replay.NDJSON{}.Append(line, fact)
		}), nil)
		cancel()
		if got := r.read(r.output()); err == nil && got != want {
			t.Fatalf("all went well, and %d of %d bytes are written", len(got), len(want))
		}
		cut.ctx = base.ctx
		if err := r.run(query, replay.NDJSON{}, nil); err != nil {
			t.Fatal(err)
		}
		if got := r.read(r.output()); got != want {
			t.Fatalf("gone on with it has %d of %d bytes", len(got), len(want))
		}
	}
}
