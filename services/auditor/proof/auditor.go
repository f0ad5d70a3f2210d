package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	// poll is how often an auditor looks at the stream.
	poll = 500 * time.Millisecond
	// suspicion is how long the stream must look wrong before that is believed: a
	// replica that has just become leader may be short for a moment.
	suspicion = 2 * time.Second
	// sight is how long the stream may be out of sight before Ready says so.
	sight = 5 * time.Second
	// signPatience is how long a second place may take, also for the last checkpoint
	// when the auditor is told to end: a role ends within five seconds.
	signPatience = 3 * time.Second

	pageSize = 1000
)

var (
	// ErrHalted says that the log is not what it was, and needs a person.
	ErrHalted = errors.New("proof: halted")
	// ErrNotReady says that an auditor has not read the whole stream yet, or does
	// not see it.
	ErrNotReady = errors.New("proof: not ready")
	// errWrong says that the stream contradicts what was read or signed.
	errWrong = errors.New("proof: the log is not what it was")
	// errTree says that the tree could not be written. What was read of the log is
	// then ahead of the file, and a new start sets that right.
	errTree = errors.New("proof: the tree cannot be written")
)

// Config of an Auditor.
type Config struct {
	// Log to follow. Required.
	Log eventlog.RawReader
	// Dir is the auditor's own directory; it is made when it is missing. Required.
	Dir string
	// Checkpoints is the second place; it is made when it is missing. Required, and
	// not Dir.
	Checkpoints Place
	// Key signs. Required.
	Key Key
	// Every is how often a checkpoint is signed, if there is something new; 0 means
	// a minute.
	Every time.Duration
	// Now is the clock of checkpoints; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the auditor's metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
}

// Auditor follows POS_SESSIONS and signs what it saw.
//
//	look ─▶ read what is new ─▶ append leaves ─▶ sign, when it is time ─┐
//	 ▲  └── wrong for two seconds ─▶ halted, for a person to look at    │
//	 └──────────────────────────────────────────────────────────────────┘
//
// One that halted signs nothing any more.
type Auditor struct {
	config    Config
	verifiers note.Verifiers
	metrics   *metrics
	lock      *flock.Flock

	// What follows belongs to Run.
	tree    *Tree
	created time.Time  // of the stream, as signed or first seen
	newest  Checkpoint // in the second place
	suspect time.Time  // since when the stream looks wrong
	signed  time.Time  // when the newest was signed, by the monotonic clock

	mu       sync.Mutex
	halted   error
	caughtUp bool
	seen     time.Time // when the stream was last found right
	size     uint64
	unseen   error // why it is out of sight
}

// New opens an auditor's directory, which no other may be using, and compares it
// with the newest checkpoint in the second place. Close closes it.
func New(ctx context.Context, config Config) (*Auditor, error) {
	if config.Log == nil || config.Dir == "" || config.Checkpoints == nil || config.Key.signer == nil {
		return nil, errors.New("proof: Config.Log, Dir, Checkpoints or Key is missing")
	}
	if d, ok := config.Checkpoints.(Directory); ok && filepath.Clean(config.Dir) == filepath.Clean(string(d)) {
		return nil, fmt.Errorf("proof: checkpoints belong into another place than %s", config.Dir)
	}
	config.Every = cmp.Or(config.Every, time.Minute)
	config.Logger = cmp.Or(config.Logger, slog.Default()).With("component", "auditor")
	if config.Now == nil {
		config.Now = time.Now
	}
	a := &Auditor{config: config, seen: time.Now()}
	var err error
	if a.verifiers, err = Verifiers(config.Key.Public()); err != nil {
		return nil, err
	}
	if a.metrics, err = newMetrics(config.Metrics, a); err != nil {
		return nil, err
	}
	if err := a.open(ctx); err != nil {
		a.metrics.halted.Set(1)
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Auditor) open(ctx context.Context) error {
	if err := os.MkdirAll(a.config.Dir, 0o700); err != nil {
		return fmt.Errorf("proof: make the directory: %w", err)
	}
	if err := a.config.Checkpoints.Make(ctx); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(a.config.Dir, ".lock"))
	free, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("proof: lock %s: %w", a.config.Dir, err)
	}
	if !free {
		return fmt.Errorf("proof: another auditor uses %s: end it, or give each a directory and a place of its own", a.config.Dir)
	}
	a.lock = lock
	head, err := readHead(a.config.Dir, a.verifiers)
	if err != nil {
		return err
	}
	if a.newest, err = a.readNewest(ctx); err != nil {
		return err
	}
	if a.tree, err = openTree(a.config.Dir, head.Size); err != nil {
		return err
	}
	a.created, a.size = head.Created, head.Size
	return a.compare(head)
}

// compare holds what the auditor remembers to have signed against its tree and
// against the second place. That the place is ahead happens: the checkpoint is
// written there first, and the directory may have been lost.
func (a *Auditor) compare(head Checkpoint) error {
	switch {
	case head.Size > 0 && a.tree.edge.root() != head.Root:
		return fmt.Errorf("%w: the hashes in %s are not those of the checkpoint of %d: "+
			"remove the directory, and the tree is built again and compared", errWrong, a.config.Dir, head.Size)
	case head.Size > a.newest.Size:
		return fmt.Errorf("%w: %s ends with the checkpoint of %d, but one of %d was signed: it was rolled back",
			errWrong, a.config.Checkpoints, a.newest.Size, head.Size)
	case head.Size == a.newest.Size && head.Root != a.newest.Root:
		return fmt.Errorf("%w: there are two checkpoints of %d with different roots", errWrong, head.Size)
	}
	if a.created.IsZero() {
		a.created = a.newest.Created
	}
	return nil
}

func (a *Auditor) readNewest(ctx context.Context) (Checkpoint, error) {
	size, err := newest(ctx, a.config.Checkpoints)
	if err != nil || size == 0 {
		return Checkpoint{}, err
	}
	c, err := readCheckpoint(ctx, a.config.Checkpoints, size, a.verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the newest checkpoint cannot be continued; "+
			"with another key, begin in another place: %w", err)
	}
	return c, nil
}

// readCheckpoint reads the checkpoint of a size, and of no other.
func readCheckpoint(ctx context.Context, place Place, size uint64, verifiers note.Verifiers) (Checkpoint, error) {
	signed, err := place.Read(ctx, size)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := OpenCheckpoint(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", place.Where(size), err)
	}
	if c.Size != size {
		return Checkpoint{}, fmt.Errorf("%s: proof: checkpoint: it is one of %d: somebody put it there in place of another",
			place.Where(size), c.Size)
	}
	return c, nil
}

// readHead returns the newest checkpoint that an auditor signed, as it remembers
// it; the zero Checkpoint if it signed none.
func readHead(dir string, verifiers note.Verifiers) (Checkpoint, error) {
	signed, err := readBounded(filepath.Join(dir, headFile), maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, nil
	}
	if err != nil {
		return Checkpoint{}, err
	}
	head, err := OpenCheckpoint(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", filepath.Join(dir, headFile), err)
	}
	return head, nil
}

// Close lets another auditor have the directory.
func (a *Auditor) Close() error {
	var err error
	if a.tree != nil {
		err = a.tree.Close()
	}
	if a.lock != nil {
		err = errors.Join(err, a.lock.Unlock())
	}
	return err
}

// Run follows and signs until the context ends, and signs once more then. One that
// halted stays, so that its metrics and Ready can say so, and Run returns an error
// that wraps ErrHalted when the context ends. It returns at once when its own
// directory cannot be written.
func (a *Auditor) Run(ctx context.Context) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if err := a.look(ctx); err != nil {
			return err
		}
		if a.haltedErr() != nil {
			<-ctx.Done()
			return a.haltedErr()
		}
		if a.isCaughtUp() && time.Since(a.signed) >= a.config.Every {
			if err := a.trySign(ctx); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return a.trySign(ctx)
		case <-ticker.C:
		}
	}
}

// look reads what is new and judges what it finds. Its error is errTree.
func (a *Auditor) look(ctx context.Context) error {
	err := a.follow(ctx)
	if errors.Is(err, errTree) {
		return err
	}
	a.reckon(ctx, err)
	return nil
}

// reckon notes what following came to, and halts when the log has looked wrong for
// long enough.
func (a *Auditor) reckon(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil:
		a.suspect = time.Time{}
		a.sees(nil)
	case errors.Is(err, errWrong), errors.Is(err, eventlog.ErrNotFound) && !a.created.IsZero():
		if a.suspect.IsZero() {
			a.suspect = time.Now()
			a.config.Logger.WarnContext(ctx, "the log looks wrong; looking again", "error", err)
		}
		if time.Since(a.suspect) >= suspicion {
			a.halt(err)
		}
	default:
		a.suspect = time.Time{}
		a.sees(err)
	}
}

// follow appends everything up to the end of the stream. errWrong says that the
// stream is not what was read of it; eventlog.ErrUnavailable that it is not known.
func (a *Auditor) follow(ctx context.Context) error {
	state, err := a.config.Log.State(ctx, events.StreamSessions)
	if err != nil {
		return err
	}
	if err := a.judge(state); err != nil {
		return err
	}
	a.created = state.Created
	for {
		before := a.tree.edge.size
		if err := a.readPage(ctx); err != nil {
			return err
		}
		if a.tree.edge.size >= state.Last {
			a.reached()
			return nil
		}
		if a.tree.edge.size == before {
			return nil // a replica that lags; the rest comes with the next look
		}
	}
}

// judge finds what the extent of the stream alone gives away.
func (a *Auditor) judge(state eventlog.State) error {
	known := max(a.tree.edge.size, a.newest.Size)
	switch {
	case !a.created.IsZero() && !a.created.Equal(state.Created):
		return fmt.Errorf("%w: stream %s was created at %s, the one that was read at %s",
			errWrong, events.StreamSessions, state.Created.Format(time.RFC3339Nano), a.created.Format(time.RFC3339Nano))
	case state.Last < known:
		return fmt.Errorf("%w: stream %s ends at %d, but %d events were read or signed",
			errWrong, events.StreamSessions, state.Last, known)
	case state.First != 1:
		return fmt.Errorf("%w: stream %s starts at %d: what lies before is gone", errWrong, events.StreamSessions, state.First)
	case state.Missing > 0:
		return fmt.Errorf("%w: %d events of stream %s are gone from between the others; `posse audit verify` names them",
			errWrong, state.Missing, events.StreamSessions)
	}
	return nil
}

// readPage reads from the last leaf on, which must still be the same one.
func (a *Auditor) readPage(ctx context.Context) error {
	next := max(a.tree.edge.size, 1)
	page, err := a.config.Log.Stored(ctx, events.StreamSessions, next, pageSize)
	if err != nil {
		return err
	}
	for _, m := range page {
		if m.Sequence != next {
			return fmt.Errorf("%w: event %d is gone: %d comes in its place", errWrong, next, m.Sequence)
		}
		next++
		leaf := leafHash(m)
		if m.Sequence == a.tree.edge.size {
			if leaf != a.tree.last {
				return fmt.Errorf("%w: event %d is another one than was read", errWrong, m.Sequence)
			}
			continue
		}
		if err := a.append(leaf); err != nil {
			return err
		}
	}
	return nil
}

// append adds a leaf, and holds a tree that reaches the newest checkpoint against
// it: one whose directory was lost.
func (a *Auditor) append(leaf [32]byte) error {
	if err := a.tree.add(leaf); err != nil {
		return err
	}
	size := a.tree.edge.size
	a.mu.Lock()
	a.size = size
	a.mu.Unlock()
	if size == a.newest.Size && a.tree.edge.root() != a.newest.Root {
		err := fmt.Errorf("%w: the events up to %d do not hash to the checkpoint of %d; `posse audit verify` names the first",
			errWrong, size, size)
		a.halt(err)
		return err
	}
	return nil
}

// trySign signs if there is something new. What fails is tried again with the next
// look; what is written is never changed. Its error is errTree.
func (a *Auditor) trySign(ctx context.Context) error {
	if a.tree.edge.size <= a.newest.Size {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signPatience)
	defer cancel()
	err := a.sign(ctx)
	if errors.Is(err, errTree) {
		return err
	}
	if err != nil {
		a.metrics.failures.Inc()
		a.config.Logger.Error("checkpoint could not be kept, trying again", "size", a.tree.edge.size, "error", err)
		return nil
	}
	a.signed = time.Now()
	a.metrics.checkpoints.Inc()
	a.metrics.signedSize.Set(float64(a.newest.Size))
	a.config.Logger.Debug("signed a checkpoint", "size", a.newest.Size)
	return nil
}

func (a *Auditor) sign(ctx context.Context) error {
	next := Checkpoint{
		Origin: a.config.Key.Origin(), Size: a.tree.edge.size, Root: a.tree.edge.root(),
		Created: a.created, Previous: a.newest.Size, Signed: a.config.Now(),
	}
	signed, err := next.sign(a.config.Key.signer)
	if err != nil {
		return err
	}
	if err := a.tree.sync(); err != nil {
		return err
	}
	err = a.config.Checkpoints.Write(ctx, next.Size, signed)
	if err != nil && !errors.Is(err, fs.ErrExist) { // written, but not said so
		return err
	}
	if err := writeWhole(filepath.Join(a.config.Dir, headFile), signed, os.Rename); err != nil {
		return err
	}
	a.newest = next
	return nil
}

// Ready returns nil while the auditor sees a stream that is what it was, and has
// read all of it once; before that and out of sight an error that wraps
// ErrNotReady, and after a halt one that wraps ErrHalted.
func (a *Auditor) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.halted != nil:
		return a.halted
	case !a.caughtUp:
		return fmt.Errorf("%w: %d events read", ErrNotReady, a.size)
	case time.Since(a.seen) > sight:
		return fmt.Errorf("%w: the log was last seen %s ago: %w", ErrNotReady, time.Since(a.seen).Round(time.Second), a.unseen)
	}
	return nil
}

func (a *Auditor) halt(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.halted != nil {
		return
	}
	a.halted = fmt.Errorf("%w: %w", ErrHalted, cause)
	a.metrics.halted.Set(1)
	a.config.Logger.Error("halted: the log is not what it was, so nothing more is signed. "+
		"Find out what happened to it; `posse audit verify` names the first event that differs", "error", cause)
}

func (a *Auditor) haltedErr() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.halted
}

func (a *Auditor) sees(unseen error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if unseen == nil {
		a.seen = time.Now()
	} else if a.unseen == nil {
		a.config.Logger.Warn("the log is out of sight, trying again", "error", unseen)
	}
	a.unseen = unseen
}

func (a *Auditor) reached() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.caughtUp = true
}

func (a *Auditor) isCaughtUp() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.caughtUp
}

func (a *Auditor) position() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return float64(a.size)
}
