package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/posse-pos/posse/pkg/durable"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// ErrState says that a state file is not one of this replay.
var ErrState = errors.New("replay: state is not of this replay")

// State is where a replay stands.
//
//	        ┌── commit ──┐
//	start ──┴─▶ End > 0 ─┴─ end reached ─▶ End = 0 ── next run ─▶ End > 0
//
// A run that is interrupted goes on to the same End. One that came to its end and is
// started again goes on with what the log stored since. One that follows has no End.
type State struct {
	Format   string            `json:"format"`
	Query    Query             `json:"query"`
	Position eventlog.Position `json:"position"`     // everything up to here is in the output
	End      uint64            `json:"end,omitzero"` // last sequence of the run under way
	Written  uint64            `json:"written"`      // facts
	Size     int64             `json:"size"`         // of the output, in bytes
}

// StateFile keeps a State. One file is for one replay at a time.
type StateFile struct {
	// Path of the file. It is replaced as a whole, so it is never half written.
	Path string
	// Format names what the sink writes: a state is good for that only.
	Format string
}

// Exists says whether a replay with this state was begun before.
func (f *StateFile) Exists() (bool, error) {
	_, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// load returns nil if there is no state yet.
func (f *StateFile) load(query Query) (*State, error) {
	if f == nil {
		return nil, nil //nolint:nilnil // absence is an answer here, not an error
	}
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // absence is an answer here, not an error
	}
	if err != nil {
		return nil, fmt.Errorf("replay: read the state: %w", err)
	}
	var state State
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrState, f.Path, err)
	}
	if state.Size < 0 {
		return nil, fmt.Errorf("%w: %s says that %d bytes were written; start anew without it", ErrState, f.Path, state.Size)
	}
	if !state.Query.equal(query) || state.Format != f.Format {
		return nil, fmt.Errorf("%w: %s was begun with other arguments; repeat those, or name another file", ErrState, f.Path)
	}
	return &state, nil
}

// save is atomic and lasts through a power cut.
func (f *StateFile) save(state State) error {
	if f == nil {
		return nil
	}
	state.Format = f.Format
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("replay: encode the state: %w", err)
	}
	if err := durable.WriteFile(f.Path, append(data, '\n'), 0o600, os.Rename); err != nil {
		return fmt.Errorf("replay: write the state: %w", err)
	}
	return nil
}
