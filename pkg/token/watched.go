package token

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// checkEvery bounds how often a use looks at the file, and so how late a
	// change is noticed.
	checkEvery = time.Second
	// recheckAfter is the same for a key that nobody knows, which another process
	// may just have made. It bounds what a flood of invented keys can cost.
	recheckAfter = 20 * time.Millisecond
	// settleTime is how old a file has to be before its modification time tells
	// it from the next version: file systems count time in coarse ticks.
	settleTime = 2 * time.Second
)

// watched is the content of a key file, kept in step with the file. Readers take
// no lock; at most once a second one of them pays for a stat.
type watched[T any] struct {
	path  string
	parse func(path string, data []byte) (T, error)
	// optional says that a missing file means the zero T.
	optional bool
	log      *slog.Logger

	started time.Time
	checked atomic.Int64 // when the file was last looked at, since started
	current atomic.Pointer[loaded[T]]

	reload    sync.Mutex
	complaint string // guarded by reload: the last error that was logged
}

// loaded is one version of the file. A nil info means that there was no file.
type loaded[T any] struct {
	value T
	info  fs.FileInfo
	at    time.Time
}

// open loads the file for the first time. Nothing else may be called before.
func (w *watched[T]) open() error {
	w.started = time.Now()
	return w.load()
}

// get returns the content, at most checkEvery behind the file.
func (w *watched[T]) get() T { return w.within(checkEvery) }

// recheck returns the content, at most recheckAfter behind the file.
func (w *watched[T]) recheck() T { return w.within(recheckAfter) }

func (w *watched[T]) within(age time.Duration) T {
	now, last := int64(time.Since(w.started)), w.checked.Load()
	if now-last >= int64(age) && w.checked.CompareAndSwap(last, now) {
		w.refresh()
	}
	return w.current.Load().value
}

// refresh loads the file if it changed. A file that cannot be used is logged and
// does not replace what worked: a till does not stop for a slip of an editor.
func (w *watched[T]) refresh() {
	w.reload.Lock()
	defer w.reload.Unlock()
	if !w.changed() {
		return
	}
	err := w.load()
	if err == nil {
		w.complaint = ""
		return
	}
	if err.Error() != w.complaint {
		w.complaint = err.Error()
		w.log.Error("key file cannot be used, keeping the keys loaded before", "path", w.path, "error", err)
	}
}

func (w *watched[T]) changed() bool {
	known := w.current.Load()
	info, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return known.info != nil
	case err != nil || known.info == nil:
		return true
	}
	same := os.SameFile(known.info, info) && known.info.ModTime().Equal(info.ModTime()) &&
		known.info.Size() == info.Size() && known.info.Mode() == info.Mode()
	return !same || known.at.Sub(info.ModTime()) < settleTime
}

// load reads the file, whether it changed or not.
func (w *watched[T]) load() error {
	next := &loaded[T]{at: time.Now()}
	data, info, err := readFile(w.path)
	if w.optional && errors.Is(err, fs.ErrNotExist) {
		w.current.Store(next)
		return nil
	}
	if err != nil {
		return err
	}
	if next.value, err = w.parse(w.path, data); err != nil {
		return err
	}
	next.info = info
	w.current.Store(next)
	return nil
}

// replace changes the file as a whole, from what it holds under the lock to what
// change makes of it, and loads the result.
func (w *watched[T]) replace(dir string, change func(T) ([]byte, error)) error {
	return locked(dir, func() error {
		w.reload.Lock()
		defer w.reload.Unlock()
		if err := w.load(); err != nil {
			return err
		}
		data, err := change(w.current.Load().value)
		if err != nil {
			return err
		}
		if err := replaceFile(w.path, data); err != nil {
			return err
		}
		return w.load()
	})
}
