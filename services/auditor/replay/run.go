package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/readahead"
)

const (
	pageSize = 1000
	// pagesAhead are read while one is written, and while what was written is synced.
	pagesAhead = 4
	// commitEvery is how many facts at most are looked at between two commits.
	commitEvery = 4 * pageSize
	// pollInterval is how often a replay that follows looks for more.
	pollInterval = 250 * time.Millisecond
	// patience is how long a replay that does not follow waits for a log that is
	// away, unless it is told.
	patience = time.Minute
)

// GCPercent is the garbage collector's target (debug.SetGCPercent) for a process that
// does nothing but replay: it makes much garbage and keeps little, so that five times
// the memory is still some 100 MB, and a tenth of the time.
const GCPercent = 400

// Sink takes the facts of a replay. What it was given is safe after Commit only.
type Sink interface {
	// Begin is called once, before anything else, with the size that the last Commit
	// returned in an earlier run, 0 for none. What was written beyond it goes.
	Begin(size int64) error
	// Full says that what was added since the last Commit is to be committed before
	// next is added.
	Full(next eventlog.Recorded) bool
	// Add takes the next fact.
	Add(fact eventlog.Recorded) error
	// Commit makes what was added last, and returns the size of all output so far, in
	// bytes.
	Commit() (size int64, err error)
	// PerPage says that Commit may also be called wherever the reading stands. A sink
	// whose output depends on where it is called says false.
	PerPage() bool
}

// Log is what a replay needs of the log.
type Log interface {
	eventlog.Reader
	eventlog.Selector
}

// Config is one replay.
type Config struct {
	// Log to read. Required.
	Log Log
	// Query says what to read.
	Query Query
	// Sink takes it. Required.
	Sink Sink
	// State is where the replay stands, kept in a file; nil means nowhere.
	State *StateFile
	// Patience is how long to wait for a log that is away. 0 means a minute, and as
	// long as it takes for a query that follows.
	Patience time.Duration
	// Progress, if set, hears after each page how far the replay is.
	Progress func(Progress)
}

// Progress is how far a replay is, in sequences of the log.
type Progress struct {
	First, At, Last uint64 // Last is 0 while following
	Written         uint64 // facts
}

// Run replays until the end that the log has now, or until ctx ends if the query
// follows. Errors wrap ErrInvalidQuery, ErrState (the state is of another replay),
// eventlog.ErrGap (the state is of another log), or are those of the log and the
// sink. After an error a run with the same state goes on where this one stopped.
func Run(ctx context.Context, config Config) (Progress, error) {
	prepared, err := Prepare(ctx, config)
	if err != nil {
		return Progress{}, err
	}
	return prepared.Run(ctx)
}

// Prepared is a replay that knows where it begins and ends. Nothing is written yet.
type Prepared struct{ running *running }

// Prepare does the part of Run that comes before anything is written, for those who
// have to do something in between. Its errors are among those of Run.
func Prepare(ctx context.Context, config Config) (*Prepared, error) {
	if err := config.Query.Validate(); err != nil {
		return nil, err
	}
	r := &running{Config: config}
	return &Prepared{r}, r.prepare(ctx)
}

// Run does the rest, once.
func (p *Prepared) Run(ctx context.Context) (Progress, error) {
	r := p.running
	if err := r.begin(); err != nil {
		return Progress{}, err
	}
	err := r.read(ctx)
	if r.Query.Follow && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil
	}
	return r.progress(), err
}

// running is one Run under way.
type running struct {
	Config

	state State
	first uint64
	at    eventlog.Position // of the last message that was looked at
	open  int               // facts that were looked at since the last commit
}

func (r *running) prepare(ctx context.Context) error {
	resumed, err := r.State.load(r.Query)
	if err != nil {
		return err
	}
	log, err := retry(ctx, r.Config, func() (eventlog.State, error) { return r.Log.State(ctx, events.StreamSessions) })
	if err != nil {
		return err
	}
	if resumed == nil {
		return r.start(ctx, log)
	}
	r.state = *resumed
	return r.resume(ctx, log)
}

func (r *running) begin() error {
	r.at, r.first = r.state.Position, r.state.Position.Sequence+1
	// The state comes first: output without one would be somebody else's.
	if err := r.State.save(r.state); err != nil {
		return err
	}
	return r.Sink.Begin(r.state.Size)
}

// start finds out where a new replay begins and ends.
func (r *running) start(ctx context.Context, log eventlog.State) error {
	from := max(r.Query.From, log.First, 1)
	if r.Query.AtEnd {
		from = log.Last + 1
	}
	if !r.Query.Since.IsZero() {
		since, err := r.sequenceAt(ctx, r.Query.Since)
		if err != nil {
			return err
		}
		from = max(from, since)
	}
	r.state = State{Query: r.Query, Position: eventlog.Position{
		Stream: events.StreamSessions, Created: log.Created, Sequence: min(from-1, log.Last),
	}}
	if r.Query.From > log.Last+1 {
		return fmt.Errorf("%w: the log ends at %d, before sequence %d", ErrInvalidQuery, log.Last, r.Query.From)
	}
	return r.setEnd(ctx, log)
}

func (r *running) setEnd(ctx context.Context, log eventlog.State) error {
	if r.Query.Follow {
		return nil
	}
	r.state.End = log.Last
	if r.Query.Until.IsZero() {
		return nil
	}
	until, err := r.sequenceAt(ctx, r.Query.Until)
	if err != nil {
		return err
	}
	r.state.End = min(log.Last, until-1)
	return nil
}

func (r *running) sequenceAt(ctx context.Context, moment time.Time) (uint64, error) {
	return retry(ctx, r.Config, func() (uint64, error) { return r.Log.SequenceAt(ctx, events.StreamSessions, moment) })
}

// resume checks that the position is one of this log, and has a replay that had
// come to its end go on to the end that the log has now.
func (r *running) resume(ctx context.Context, log eventlog.State) error {
	position := r.state.Position
	switch {
	case !position.Created.Equal(log.Created):
		return fmt.Errorf("%w: %s was created at %s, the state is of one created at %s",
			eventlog.ErrGap, position.Stream, log.Created, position.Created)
	case position.Sequence > log.Last:
		return fmt.Errorf("%w: %s ends at %d, the state says %d", eventlog.ErrGap, position.Stream, log.Last, position.Sequence)
	case position.Sequence+1 < log.First:
		return fmt.Errorf("%w: %s starts at %d, the state says %d", eventlog.ErrGap, position.Stream, log.First, position.Sequence)
	}
	if err := r.checkID(ctx, position); err != nil {
		return err
	}
	if r.state.End != 0 {
		return nil
	}
	return r.setEnd(ctx, log)
}

func (r *running) checkID(ctx context.Context, position eventlog.Position) error {
	if position.ID == "" {
		return nil
	}
	batch, err := retry(ctx, r.Config, func() (eventlog.Batch, error) {
		return r.Log.Read(ctx, position.Stream, position.Sequence, 1)
	})
	if err != nil {
		return err
	}
	if batch.End.Sequence == position.Sequence && batch.End.ID != position.ID {
		return fmt.Errorf("%w: message %d of %s is %q, the state says %q",
			eventlog.ErrGap, position.Sequence, position.Stream, batch.End.ID, position.ID)
	}
	return nil
}

// read takes page after page. While it writes one, the next is read.
func (r *running) read(ctx context.Context) error {
	for !r.satisfied() {
		for batch, err := range readahead.Of(ctx, pagesAhead, r.pages) {
			if err != nil {
				return errors.Join(err, r.commitPages())
			}
			if err := r.take(batch); err != nil {
				return err
			}
			if r.Progress != nil {
				r.Progress(r.progress())
			}
			if r.satisfied() {
				break
			}
		}
		if !r.Query.Follow {
			break
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return r.finish()
}

// pages reads what lies behind what was taken, to the end that the log has now. A log
// that is away for a while is read on where it was left.
func (r *running) pages(ctx context.Context) iter.Seq2[eventlog.Batch, error] {
	return func(yield func(eventlog.Batch, error) bool) {
		from := r.at.Sequence + 1
		next, stop := iter.Pull2(r.Log.Scan(ctx, r.selection(from)))
		defer func() { stop() }() //nolint:gocritic // stop changes
		for {
			more := true
			batch, err := retry(ctx, r.Config, func() (batch eventlog.Batch, err error) {
				if batch, err, more = next(); err != nil {
					stop()
					next, stop = iter.Pull2(r.Log.Scan(ctx, r.selection(from)))
				}
				return batch, err
			})
			if !more || !yield(batch, err) || err != nil {
				return
			}
			from = batch.End.Sequence + 1
		}
	}
}

func (r *running) satisfied() bool {
	caughtUp := !r.Query.Follow && r.at.Sequence >= r.state.End
	return caughtUp || r.Query.Limit > 0 && r.state.Written >= r.Query.Limit
}

func (r *running) selection(from uint64) eventlog.Selection {
	return eventlog.Selection{
		Tenant: r.Query.Tenant, User: r.Query.User,
		From: from, UpTo: r.state.End, Limit: pageSize,
	}
}

func (r *running) take(batch eventlog.Batch) error {
	if !batch.End.Created.Equal(r.state.Position.Created) {
		return fmt.Errorf("%w: %s was made anew while it was read", eventlog.ErrGap, batch.End.Stream)
	}
	for _, fact := range batch.Events {
		if r.Query.matches(fact) {
			if err := r.add(fact); err != nil {
				return err
			}
		}
		r.at.Sequence, r.at.ID = fact.Sequence, fact.ID
		if r.Query.Limit > 0 && r.state.Written >= r.Query.Limit {
			break
		}
	}
	if r.open += len(batch.Events); batch.Pending > 0 && r.open < commitEvery {
		return nil
	}
	return r.commitPages()
}

// commitPages commits what was looked at, for a sink that takes it anywhere.
func (r *running) commitPages() error {
	if r.open == 0 || !r.Sink.PerPage() {
		return nil
	}
	return r.commit()
}

func (r *running) add(fact eventlog.Recorded) error {
	if r.Sink.Full(fact) {
		if err := r.commit(); err != nil {
			return err
		}
	}
	if err := r.Sink.Add(fact); err != nil {
		return fmt.Errorf("replay: write fact %d: %w", fact.Sequence, err)
	}
	r.state.Written++
	return nil
}

// commit makes the output last, and then notes that it does.
func (r *running) commit() error {
	size, err := r.Sink.Commit()
	if err != nil {
		return err
	}
	r.state.Position, r.state.Size, r.open = r.at, size, 0
	return r.State.save(r.state)
}

// finish leaves a state from which the next run goes on with what comes later.
func (r *running) finish() error {
	limited := r.Query.Limit > 0 && r.state.Written >= r.Query.Limit
	if !limited && r.state.End > r.at.Sequence {
		r.at.Sequence, r.at.ID = r.state.End, ""
	}
	r.state.End = 0
	return r.commit()
}

func (r *running) progress() Progress {
	return Progress{First: r.first, At: r.at.Sequence, Last: r.state.End, Written: r.state.Written}
}

// retry waits for a log that is away.
func retry[T any](ctx context.Context, config Config, do func() (T, error)) (T, error) {
	limit := config.Patience
	if limit == 0 && !config.Query.Follow {
		limit = patience
	}
	return backoff.Retry(ctx, func() (T, error) {
		result, err := do()
		if err != nil && !errors.Is(err, eventlog.ErrUnavailable) {
			return result, backoff.Permanent(err)
		}
		return result, err
	}, backoff.WithMaxElapsedTime(limit))
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
