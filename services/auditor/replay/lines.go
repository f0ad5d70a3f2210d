package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/posse-pos/posse/pkg/eventlog"
)

// Encoder writes facts as text, one after the other.
type Encoder interface {
	// Header is what comes before the first fact; "" if nothing does.
	Header() string
	// Append appends one fact, with the end of its line.
	Append(line []byte, fact eventlog.Recorded) ([]byte, error)
}

// Lines is a Sink of text.
type Lines struct {
	encoder Encoder
	out     *bufio.Writer
	file    *os.File // nil if the output is none that can be cut
	line    []byte
	size    int64
}

var _ Sink = (*Lines)(nil)

// lineBuffer is how many bytes go out at once.
const lineBuffer = 64 << 10

// NewLines writes to a stream, such as a pipe. What a killed replay wrote after its
// last Commit cannot be taken back there.
func NewLines(encoder Encoder, w io.Writer) *Lines {
	return &Lines{encoder: encoder, out: bufio.NewWriterSize(w, lineBuffer)}
}

// NewFileLines writes to a file, which Begin cuts to what was committed. Closing it is
// the caller's.
func NewFileLines(encoder Encoder, file *os.File) *Lines {
	return &Lines{encoder: encoder, out: bufio.NewWriterSize(file, lineBuffer), file: file}
}

// Begin implements Sink.
func (l *Lines) Begin(size int64) error {
	if err := l.cut(size); err != nil {
		return err
	}
	l.size = size
	if size > 0 {
		return nil
	}
	return l.write([]byte(l.encoder.Header()))
}

func (l *Lines) cut(size int64) error {
	if l.file == nil {
		return nil
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < size {
		return fmt.Errorf("%w: %s has %d bytes, the state says that %d were written; start anew without the state",
			ErrState, l.file.Name(), info.Size(), size)
	}
	_, err = l.file.Seek(size, io.SeekStart)
	return errors.Join(l.file.Truncate(size), err)
}

// Full implements Sink: no fact must stand apart from another.
func (*Lines) Full(eventlog.Recorded) bool { return false }

// PerPage implements Sink.
func (*Lines) PerPage() bool { return true }

// Add implements Sink.
func (l *Lines) Add(fact eventlog.Recorded) error {
	var err error
	if l.line, err = l.encoder.Append(l.line[:0], fact); err != nil {
		return err
	}
	return l.write(l.line)
}

func (l *Lines) write(data []byte) error {
	n, err := l.out.Write(data)
	l.size += int64(n)
	return err
}

// Commit implements Sink.
func (l *Lines) Commit() (int64, error) {
	err := l.out.Flush()
	if err == nil && l.file != nil {
		err = l.file.Sync()
	}
	return l.size, err
}
