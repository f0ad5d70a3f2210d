package replay_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// files are the paths under a directory, with a hash of each.
func files(t *testing.T, directory string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(directory, path)
		all[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestParquetFiles(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.history(200)
	r.append(login("a/../b", "ann", "s"))
	directory := t.TempDir()
	run := func(name string) map[string]string {
		t.Helper()
		config := replay.Config{Log: r.log, Sink: replay.NewParquet(filepath.Join(directory, name))}
		if _, err := replay.Run(r.ctx, config); err != nil {
			t.Fatal(err)
		}
		return files(t, filepath.Join(directory, name))
	}
	once := run("once")
	if again := run("again"); !maps.Equal(once, again) {
		t.Fatalf("two replays made %v and %v", once, again)
	}
	rows := map[string]int{}
	for name := range once {
		read, err := parquet.ReadFile[struct {
			Sequence uint64    `parquet:"sequence"`
			Tenant   string    `parquet:"tenant"`
			Stored   time.Time `parquet:"stored,timestamp(nanosecond)"`
			Cause    string    `parquet:"cause,optional"`
		}](filepath.Join(directory, "once", name))
		if err != nil {
			t.Fatal(err)
		}
		rows[read[0].Tenant] += len(read)
		for i, row := range read {
			if i > 0 && row.Sequence <= read[i-1].Sequence {
				t.Errorf("%s: %d follows %d", name, row.Sequence, read[i-1].Sequence)
			}
			if date := row.Stored.UTC().Format(time.DateOnly); !strings.Contains(name, "date="+date+"/part-") {
				t.Errorf("%s holds a fact of %s", name, date)
			}
		}
	}
	if want := (map[string]int{"shop": 1000, "other": 200, "a/../b": 1}); !maps.Equal(rows, want) {
		t.Errorf("rows by tenant %v, want %v", rows, want)
	}
}

// TestParquetResumes ends in the middle of a page, twice a chunk.
func TestParquetResumes(t *testing.T) {
	t.Parallel()
	facts := make([]eventlog.Recorded, 0, 25_000)
	for i := range cap(facts) {
		fact := samples()[i%4]
		fact.Sequence, fact.Time = uint64(i+1), moment.Add(time.Duration(i)*4*time.Second) // more than a day
		facts = append(facts, fact)
	}
	want := t.TempDir()
	if err := writeParquet(want, facts, len(facts)); err != nil {
		t.Fatal(err)
	}
	got := t.TempDir()
	for _, end := range []int{9_999, 10_000, 10_001, 12_345, len(facts)} {
		if err := writeParquet(got, facts, end); err != nil && !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
	}
	if a, b := files(t, want), files(t, got); !maps.Equal(a, b) || len(a) < 4 {
		t.Fatalf("resumed replays made\n%v, want\n%v", b, a)
	}
}

// writeParquet is killed before the fact at end. It begins at the start: what it wrote
// before is to come out as it was.
func writeParquet(directory string, facts []eventlog.Recorded, end int) error {
	sink := replay.NewParquet(directory)
	if err := sink.Begin(0); err != nil {
		return err
	}
	for i, fact := range facts {
		if i == end {
			return errKilled
		}
		if sink.Full(fact) {
			if _, err := sink.Commit(); err != nil {
				return err
			}
		}
		if err := sink.Add(fact); err != nil {
			return err
		}
	}
	_, err := sink.Commit()
	return err
}
