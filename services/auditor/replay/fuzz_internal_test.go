package replay

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
)

// FuzzParseMoment holds that a moment which somebody gives is absolute, and the same
// when it is written and read again.
func FuzzParseMoment(f *testing.F) {
	for _, text := range []string{"2026-03-14T09:26:53Z", "2026-03-14", "2026-02-30", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999-14:00", "now"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseMoment(text)
		if err != nil {
			if len(err.Error()) > 512 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		if at.Location() != time.UTC {
			t.Errorf("%q is read as %v, which is not in UTC", text, at)
		}
		// A year of five digits, or one before 0, is in no RFC 3339.
		if at.Year() < 0 || at.Year() > 9999 {
			t.Errorf("%q is read as %v, which nobody can write", text, at)
		}
		if again, err := ParseMoment(at.Format(time.RFC3339Nano)); err != nil || !again.Equal(at) {
			t.Errorf("%q is %v and then %v, %v", text, at, again, err)
		}
	})
}

// FuzzState puts anything in the place of a state: a replay goes on with what its own
// state says, and with nothing else.
func FuzzState(f *testing.F) {
	query := Query{Tenant: "shop", Types: []events.Type{events.TypeRevoked}, Since: time.Unix(1773480413, 0).UTC()}
	begin := &StateFile{Path: filepath.Join(f.TempDir(), "state"), Format: "ndjson"}
	if err := begin.save(State{Query: query, End: 7, Written: 3, Size: 120}); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(begin.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(strings.Replace(string(data), "shop", "other", 1)))
	f.Add([]byte(strings.Replace(string(data), "120", "-120", 1)))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := &StateFile{Path: filepath.Join(t.TempDir(), "state"), Format: "ndjson"}
		if err := os.WriteFile(file.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := file.load(query)
		if err != nil {
			if !errors.Is(err, ErrState) || state != nil {
				t.Errorf("refused as %+v with %v", state, err)
			}
			return
		}
		if !state.Query.equal(query) || state.Format != "ndjson" || state.Size < 0 {
			t.Errorf("a replay goes on with %+v", state)
		}
		if err := file.save(*state); err != nil {
			t.Fatal(err)
		}
		if again, err := file.load(query); err != nil || again.End != state.End || again.Position != state.Position || again.Size != state.Size {
			t.Errorf("%+v comes back as %+v, %v", state, again, err)
		}
	})
}
