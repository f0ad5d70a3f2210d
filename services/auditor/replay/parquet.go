package replay

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/durable"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// A chunk of Parquet ends at whichever of these comes first, and at the end of a day.
// They decide where files end, so changing one changes the output.
const (
	parquetRows  = 10_000
	parquetBytes = 32 << 20 // of text
)

// Parquet is a Sink of files tenant=…/date=…/part-….parquet under a directory. The
// tenant is written as in a subject (events.EncodeToken), the date is the day in UTC on
// which the log stored the facts, and the part is the first sequence in the file. A
// file appears as a whole.
type Parquet struct {
	directory string
	tenants   map[string][]row
	day       string
	rows      int
	text      int
	size      int64
}

var _ Sink = (*Parquet)(nil)

// NewParquet writes under a directory, which Begin makes.
func NewParquet(directory string) *Parquet {
	return &Parquet{directory: directory, tenants: map[string][]row{}}
}

// Begin implements Sink. Files of a chunk that was not committed are written again,
// with the same names and bytes.
func (p *Parquet) Begin(size int64) error {
	p.size = size
	return os.MkdirAll(p.directory, 0o700)
}

// PerPage implements Sink: chunks must not depend on pages.
func (*Parquet) PerPage() bool { return false }

// Full implements Sink.
func (p *Parquet) Full(next eventlog.Recorded) bool {
	return p.rows >= parquetRows || p.text >= parquetBytes || p.rows > 0 && dayOf(next) != p.day
}

func dayOf(fact eventlog.Recorded) string { return fact.Time.UTC().Format("2006-01-02") }

// Add implements Sink.
func (p *Parquet) Add(fact eventlog.Recorded) error {
	r, err := rowOf(fact)
	if err != nil {
		return err
	}
	p.tenants[r.Tenant] = append(p.tenants[r.Tenant], r)
	p.day = dayOf(fact)
	p.rows++
	for _, cell := range r.cells() {
		p.text += len(cell)
	}
	return nil
}

// Commit implements Sink.
func (p *Parquet) Commit() (int64, error) {
	for _, tenant := range slices.Sorted(maps.Keys(p.tenants)) {
		if err := p.write(tenant, p.tenants[tenant]); err != nil {
			return 0, err
		}
	}
	p.tenants, p.rows, p.text = map[string][]row{}, 0, 0
	return p.size, nil
}

func (p *Parquet) write(tenant string, rows []row) error {
	directory := filepath.Join(p.directory, "tenant="+events.EncodeToken(tenant), "date="+p.day)
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	data, err := encodeParquet(rows)
	if err != nil {
		return fmt.Errorf("replay: encode facts %d to %d: %w", rows[0].Sequence, rows[len(rows)-1].Sequence, err)
	}
	p.size += int64(len(data))
	path := filepath.Join(directory, fmt.Sprintf("part-%020d.parquet", rows[0].Sequence))
	return durable.WriteFile(path, data, 0o600, os.Rename)
}

func encodeParquet(rows []row) ([]byte, error) {
	var file bytes.Buffer
	writer := parquet.NewGenericWriter[row](&file,
		// Not the version of the library: the bytes are to be the same.
		parquet.CreatedBy("posse", "1", ""),
		parquet.Compression(&parquet.Snappy),
	)
	if _, err := writer.Write(rows); err != nil {
		return nil, err
	}
	err := writer.Close()
	return file.Bytes(), err
}
