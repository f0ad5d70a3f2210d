package gateway

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
)

const (
	// snapshotInterval is how often the snapshot is written.
	snapshotInterval = 30 * time.Second
	// writeAtOnce is how many bytes of it are written at a time.
	writeAtOnce = 64 << 10
)

// A snapshot is a line that names the format, a line of JSON, the entries, and
// the SHA-256 of all that. An entry is the lengths of tenant and session in a byte
// each, their bytes, and the moment it expires in 8 bytes.
const snapshotMagic = "posse gateway snapshot 1\n"

// errSnapshot says that a file is no snapshot that this gateway can use.
var errSnapshot = errors.New("gateway: unusable snapshot")

type snapshotHeader struct {
	// Tenant is the gateway's restriction: a snapshot of another's is not used.
	Tenant string `json:"tenant,omitempty"`
	// Current is when everything revoked by then was in the set.
	Current events.Timestamp `json:"current"`
	Applied uint64           `json:"applied"`
	Entries int              `json:"entries"`
}

// saveSnapshot writes what the gateway knows, if it knows it for sure.
func (g *Gateway) saveSnapshot() {
	if g.cfg.SnapshotFile == "" || !g.follower.settled() {
		return
	}
	now := g.cfg.Now()
	staleFor, _ := g.state.staleFor(now)
	header := snapshotHeader{
		Tenant:  g.cfg.Tenant,
		Current: events.TimestampOf(now.Add(-staleFor - g.cfg.StaleAfter)),
		Applied: g.state.applied.Load(),
	}
	if err := writeSnapshot(g.cfg.SnapshotFile, header, g.state.set.Load()); err != nil {
		g.cfg.Logger.Error("snapshot cannot be written", slog.Any("error", err))
	}
}

// loadSnapshot lets the gateway start with what it knew before. Whatever is wrong
// with the file, the gateway starts as if there was none.
func (g *Gateway) loadSnapshot() {
	if g.cfg.SnapshotFile == "" {
		return
	}
	header, set, err := readSnapshot(g.cfg.SnapshotFile)
	if err == nil && header.Tenant != g.cfg.Tenant {
		err = fmt.Errorf("%w: it is of tenant %q", errSnapshot, header.Tenant)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		g.cfg.Logger.Error("snapshot is not used", slog.String("file", g.cfg.SnapshotFile), slog.Any("error", err))
		return
	}
	g.state.set.Store(set)
	g.state.applied.Store(header.Applied)
	g.state.loaded.Store(true)
	// A snapshot from the future says nothing of its age: it stays stale.
	if age := g.state.start.Sub(header.Current.Time()); age >= 0 {
		g.state.staleAt.Store(int64(g.cfg.StaleAfter - age))
	}
	g.cfg.Logger.Info("snapshot is loaded", slog.Int("entries", set.Len()), slog.Time("current", header.Current.Time()))
}

// writeSnapshot replaces the file at once, so that a reader and a power cut find
// the old one or the new one.
func writeSnapshot(path string, header snapshotHeader, set *denyset.Set) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = errors.Join(encodeSnapshot(file, header, set), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func encodeSnapshot(w io.Writer, header snapshotHeader, set *denyset.Set) error {
	// The set goes on changing, and the header has to say how many entries follow.
	entries := slices.AppendSeq(make([]*denyset.Entry, 0, set.Len()), set.All())
	header.Entries = len(entries)
	line, err := json.Marshal(header)
	if err != nil {
		return err
	}
	hash := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, hash), writeAtOnce)
	// What a write could not do, Flush reports.
	_, _ = out.WriteString(snapshotMagic)
	_, _ = out.Write(append(line, '\n'))
	for _, entry := range entries {
		_, _ = out.Write(appendEntry(out.AvailableBuffer(), entry))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = w.Write(hash.Sum(nil))
	return err
}

func appendEntry(to []byte, entry *denyset.Entry) []byte {
	to = append(to, byte(len(entry.Tenant())), byte(len(entry.Session)))
	to = append(to, entry.Tenant()...)
	to = append(to, entry.Session...)
	return binary.BigEndian.AppendUint64(to, uint64(entry.Expires))
}

func readSnapshot(path string) (snapshotHeader, *denyset.Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return snapshotHeader{}, nil, err
	}
	return decodeSnapshot(data)
}

func decodeSnapshot(data []byte) (header snapshotHeader, set *denyset.Set, err error) {
	if len(data) < sha256.Size {
		return header, nil, fmt.Errorf("%w: it has %d bytes", errSnapshot, len(data))
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if actual := sha256.Sum256(body); !bytes.Equal(actual[:], sum) {
		return header, nil, fmt.Errorf("%w: its checksum is wrong", errSnapshot)
	}
	rest, ok := bytes.CutPrefix(body, []byte(snapshotMagic))
	line, entries, ok2 := bytes.Cut(rest, []byte("\n"))
	if !ok || !ok2 {
		return header, nil, fmt.Errorf("%w: it is of another format", errSnapshot)
	}
	if err := json.Unmarshal(line, &header); err != nil {
		return header, nil, fmt.Errorf("%w: %w", errSnapshot, err)
	}
	set, err = decodeEntries(entries)
	if err == nil && set.Len() != header.Entries {
		err = fmt.Errorf("%w: it has %d entries instead of %d", errSnapshot, set.Len(), header.Entries)
	}
	return header, set, err
}

func decodeEntries(data []byte) (*denyset.Set, error) {
	set := denyset.New()
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(data[0])+int(data[1])+8 {
			return nil, fmt.Errorf("%w: an entry is cut off", errSnapshot)
		}
		tenant, session := int(data[0]), int(data[1])
		data = data[2:]
		expires := int64(binary.BigEndian.Uint64(data[tenant+session:]))
		set.Add(string(data[:tenant]), string(data[tenant:tenant+session]), expires)
		data = data[tenant+session+8:]
	}
	return set, nil
}
