package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Verification says what Verify reads and with what it compares.
type Verification struct {
	// Log to verify. Required.
	Log eventlog.RawReader
	// Places hold checkpoints; each must have all that another has. At least one.
	Places []Place
	// Dir is the directory of the auditor, which names single events; "" means that
	// only ranges between checkpoints are named, and that a checkpoint which is gone
	// from every place is not missed.
	Dir string
	// Verifiers of the checkpoints. Required.
	Verifiers note.Verifiers
	// CoveredWithin is how old an event may be that is under no checkpoint; 0 means
	// any age.
	CoveredWithin time.Duration
	// Now is the clock for it; nil means time.Now.
	Now func() time.Time
	// Report hears of each finding when it is made. Required.
	Report func(Finding)
}

// Finding is something that is not as it was signed.
type Finding struct {
	// Sequence of the first event concerned, 0 if it is not about an event.
	Sequence uint64
	// Text is a sentence for people. It holds nothing of the events' contents.
	Text string
}

// Summary is what Verify did.
type Summary struct {
	Events      uint64 // read from the stream
	Checkpoints int    // that the events hash to
	Covered     uint64 // events under the last of them
	Findings    int
	Took        time.Duration
}

// Verify reads the whole stream and reports everything that does not agree with
// the checkpoints: the log must extend every one of them. Memory is bounded by a
// page of messages and eight bytes a checkpoint. The error is about the reading; a
// log that was changed is no error but a Summary with Findings.
func Verify(ctx context.Context, config Verification) (Summary, error) {
	v := &verifying{Verification: config}
	if v.Now == nil {
		v.Now = time.Now
	}
	began := time.Now()
	err := v.run(ctx)
	v.summary.Took = time.Since(began)
	return v.summary, err
}

// verifying is one Verify under way.
type verifying struct {
	Verification

	summary Summary
	state   eventlog.State
	created bool // a stream that was made anew has been reported

	sizes    []uint64   // of all checkpoints, ascending; those passed are cut off
	head     Checkpoint // the newest that the auditor remembers
	good     Checkpoint // the last that the events hash to
	previous uint64     // size of the checkpoint before, of those that could be read

	events edge // of the leaves that the stream gives
	hashes edge // of the leaves that the auditor noted
	noted  *leaves
	fresh  []tlog.Hash

	differ    span      // leaves that differ from the noted ones since the last checkpoint
	spoiled   bool      // what comes later cannot be compared any more
	skipped   int       // checkpoints that were not compared for that
	uncovered time.Time // when the first event behind the last checkpoint was stored
}

// span is some of a run of sequences.
type span struct{ first, last, count uint64 }

func (s *span) add(sequence uint64) {
	if s.count == 0 {
		s.first = sequence
	}
	s.last = sequence
	s.count++
}

func (v *verifying) findf(sequence uint64, format string, args ...any) {
	v.summary.Findings++
	v.Report(Finding{Sequence: sequence, Text: fmt.Sprintf(format, args...)})
}

func (v *verifying) run(ctx context.Context) error {
	// In this order: what is signed and noted was in the stream before.
	if err := v.openPlaces(ctx); err != nil {
		return err
	}
	if v.Dir != "" {
		tree, err := v.openDir()
		if err != nil {
			return err
		}
		defer tree.Close()
	}
	var err error
	if v.state, err = v.Log.State(ctx, events.StreamSessions); err != nil {
		return err
	}
	if err := v.readAll(ctx); err != nil {
		return err
	}
	v.finish(ctx)
	return nil
}

// openPlaces merges the lists of all places, and reports what one of them lacks.
func (v *verifying) openPlaces(ctx context.Context) error {
	if len(v.Places) == 0 {
		return errors.New("proof: verify needs a place with checkpoints")
	}
	lists := make([][]uint64, len(v.Places))
	for i, place := range v.Places {
		var err error
		if lists[i], err = place.Sizes(ctx); err != nil {
			return err
		}
		v.sizes = append(v.sizes, lists[i]...)
	}
	slices.Sort(v.sizes)
	v.sizes = slices.Compact(v.sizes)
	for i, place := range v.Places {
		for _, size := range v.sizes {
			if _, found := slices.BinarySearch(lists[i], size); !found {
				v.findf(0, "the checkpoint of %d is missing in %s, another place has it: it was removed", size, place)
			}
		}
	}
	return nil
}

func (v *verifying) openDir() (*Tree, error) {
	head, err := readHead(v.Dir, v.Verifiers)
	if err != nil {
		v.findf(0, "what the auditor remembers as its newest checkpoint is not one: %v", err)
	}
	v.head = head
	if i, found := slices.BinarySearch(v.sizes, head.Size); head.Size > 0 && !found {
		newest := uint64(0)
		if len(v.sizes) > 0 {
			newest = v.sizes[len(v.sizes)-1]
		}
		v.findf(0, "the checkpoint of %d that the auditor signed at %s is missing, the newest kept is of %d: "+
			"the checkpoints were rolled back", head.Size, head.Signed.Format(time.RFC3339), newest)
		v.sizes = slices.Insert(v.sizes, i, head.Size)
	}
	tree, err := readTree(v.Dir)
	if err != nil {
		return nil, err
	}
	if v.noted, err = tree.leaves(); err != nil {
		return nil, errors.Join(err, tree.Close())
	}
	return tree, nil
}

// readAll reads every message up to the end that the stream stated.
func (v *verifying) readAll(ctx context.Context) error {
	next, patience := uint64(1), time.Now().Add(suspicion)
	for next <= v.state.Last {
		page, err := v.Log.Stored(ctx, events.StreamSessions, next, pageSize)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			if time.Now().Before(patience) { // a replica may lag
				if err := pause(ctx); err != nil {
					return err
				}
				continue
			}
			return v.gone(ctx, next, v.state.Last)
		}
		patience = time.Now().Add(suspicion)
		if next, err = v.page(ctx, page, next); err != nil {
			return err
		}
	}
	return nil
}

// page takes what was read from next on, and returns what follows it.
func (v *verifying) page(ctx context.Context, page []eventlog.Stored, next uint64) (uint64, error) {
	for _, m := range page {
		// A page may end past the end that was stated; what follows the last hole is then new.
		if last := min(m.Sequence-1, v.state.Last); last >= next {
			if err := v.gone(ctx, next, last); err != nil {
				return 0, err
			}
		}
		next = m.Sequence + 1
		if m.Sequence > v.state.Last {
			return next, nil
		}
		if err := v.leaf(ctx, m.Sequence, leafHash(m), m.Time); err != nil {
			return 0, err
		}
		v.summary.Events++
	}
	return next, nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(poll):
		return nil
	}
}

// gone reports messages that are not in the stream any more.
func (v *verifying) gone(ctx context.Context, first, last uint64) error {
	v.findf(first, "%s gone from the log", they(first, last))
	for sequence := first; sequence <= last; sequence++ {
		if err := v.leaf(ctx, sequence, tlog.Hash{}, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// leaf takes the leaf of one sequence; the zero hash is one that is gone.
func (v *verifying) leaf(ctx context.Context, sequence uint64, hash tlog.Hash, stored time.Time) error {
	if v.uncovered.IsZero() {
		v.uncovered = stored
	}
	v.fresh = v.events.add(hash, v.fresh)
	if v.noted != nil {
		noted, ok, err := v.noted.read()
		if err != nil {
			return err
		}
		if ok {
			v.fresh = v.hashes.add(noted, v.fresh)
			if noted != hash && hash != (tlog.Hash{}) {
				v.differ.add(sequence)
			}
		}
	}
	if len(v.sizes) > 0 && v.sizes[0] == sequence {
		v.sizes = v.sizes[1:]
		v.checkpoint(ctx, sequence)
	}
	return nil
}

// checkpoint compares with what was signed of the first size events.
func (v *verifying) checkpoint(ctx context.Context, size uint64) {
	for _, c := range v.read(ctx, size) {
		v.chain(c)
		switch {
		case v.spoiled:
			v.skipped++
		case v.events.root() == c.Root:
			v.passed(c)
		case v.noted != nil && v.hashes.size == size && v.hashes.root() == c.Root:
			v.changed(c)
		default:
			v.contradicted(c)
		}
	}
}

// read returns the checkpoints of a size: one, or several that contradict each
// other.
func (v *verifying) read(ctx context.Context, size uint64) []Checkpoint {
	var found []Checkpoint
	add := func(c Checkpoint) {
		if !slices.ContainsFunc(found, func(other Checkpoint) bool { return other.Root == c.Root && other.Created.Equal(c.Created) }) {
			found = append(found, c)
		}
	}
	for _, place := range v.Places {
		c, err := readCheckpoint(ctx, place, size, v.Verifiers)
		switch {
		case errors.Is(err, fs.ErrNotExist): // reported when the places were listed
		case err != nil:
			v.findf(0, "a checkpoint is not what was signed: %v", err)
		default:
			add(c)
		}
	}
	if v.head.Size == size {
		add(v.head)
	}
	return found
}

// chain holds a checkpoint against the one before it and against the stream.
func (v *verifying) chain(c Checkpoint) {
	if c.Previous > v.previous {
		v.findf(0, "the checkpoint of %d was signed after one of %d, which is missing or damaged: it was removed", c.Size, c.Previous)
	}
	v.previous = c.Size
	if !c.Created.Equal(v.state.Created) && !v.created {
		v.created = true
		v.findf(1, "the stream was created at %s, but the checkpoint of %d was signed for one created at %s: it was recreated",
			v.state.Created.Format(time.RFC3339Nano), c.Size, c.Created.Format(time.RFC3339Nano))
	}
}

func (v *verifying) passed(c Checkpoint) {
	if v.differ.count > 0 {
		v.findf(0, "the auditor's own hashes in %s are damaged from event %d on: the log agrees with the checkpoint of %d, "+
			"they do not; remove the directory and the auditor builds it again", v.Dir, v.differ.first, c.Size)
		v.noted = nil
	}
	v.good, v.differ, v.uncovered = c, span{}, time.Time{}
	v.summary.Checkpoints++
	v.summary.Covered = c.Size
}

// changed is for events that are not those that were noted, where the checkpoint
// confirms the notes. With their help the next part is compared for itself.
func (v *verifying) changed(c Checkpoint) {
	if d := v.differ; d.count > 0 {
		more := ""
		if d.count > 1 {
			more = fmt.Sprintf(", nor do %d more up to %d", d.count-1, d.last)
		}
		v.findf(d.first, "event %d does not hash to its leaf under the checkpoint of %d signed at %s%s",
			d.first, c.Size, c.Signed.Format(time.RFC3339), more)
	}
	v.events, v.differ, v.uncovered = v.hashes.clone(), span{}, time.Time{}
	v.good = c
}

// contradicted is for events that do not hash to a checkpoint, with nothing that
// says which.
func (v *verifying) contradicted(c Checkpoint) {
	hint := "give the auditor's directory to learn which"
	if v.noted != nil {
		hint = "the auditor's own hashes do not agree with it either"
	}
	if v.differ.count > 0 {
		hint += fmt.Sprintf("; the first that differs from them is %d", v.differ.first)
	}
	v.findf(v.good.Size+1, "%s not what the checkpoint of %d signed at %s says; %s",
		they(v.good.Size+1, c.Size), c.Size, c.Signed.Format(time.RFC3339), hint)
	v.spoiled = true
}

// finish is about what lies behind the last event.
func (v *verifying) finish(ctx context.Context) {
	if v.skipped > 0 {
		v.findf(0, "%d later checkpoints could not be compared, because every one of them covers what is reported above", v.skipped)
	}
	if v.differ.count > 0 {
		v.findf(v.differ.first, "event %d is not the one that the auditor read; it lies behind the last checkpoint that could be compared",
			v.differ.first)
	}
	last := v.state.Last
	if len(v.sizes) > 0 {
		newest := v.sizes[len(v.sizes)-1]
		for _, size := range v.sizes {
			for _, c := range v.read(ctx, size) {
				v.chain(c)
			}
		}
		v.findf(last+1, "the log ends at %d, but a checkpoint of %d was signed: %s cut off", last, newest, they(last+1, newest))
	} else if v.noted != nil && v.noted.count > last {
		v.findf(last+1, "the log ends at %d, but the auditor has read %d: %s cut off", last, v.noted.count, they(last+1, v.noted.count))
	}
	if age := v.Now().Sub(v.uncovered); v.CoveredWithin > 0 && !v.spoiled && !v.uncovered.IsZero() && age > v.CoveredWithin {
		v.findf(v.good.Size+1, "events from %d on are under no checkpoint, though the first is %s old: "+
			"no auditor runs, or checkpoints were removed", v.good.Size+1, age.Round(time.Second))
	}
}

// they is "event 5 is" or "events 5 to 9 are".
func they(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("event %d is", first)
	}
	return fmt.Sprintf("events %d to %d are", first, last)
}
