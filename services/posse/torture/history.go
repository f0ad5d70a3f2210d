package torture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Files of a recorded directory.
const (
	fileRun        = "run.json"
	fileOperations = "operations.ndjson"
	fileFaults     = "faults.ndjson"
	fileLog        = "log.ndjson"       // the history, as `posse audit replay` writes it
	fileLogAgain   = "log-again.ndjson" // the same, once more
	fileModel      = "model.ndjson"     // what each query process shows in the end
	fileVerified   = "verified.ndjson"  // what `posse audit verify` says of each auditor
	fileMended     = "mended.ndjson"    // how long each part took to be well again
	fileLive       = "model-live.ndjson"
	fileFold       = "model-fold.ndjson"
	fileRebuilt    = "model-rebuilt.ndjson"
	dirWritten     = "written" // what the processes wrote: logs, metrics, files of NATS
	// fileDatabase is in it. Names may stand there, tokens may not.
	fileDatabase = "database"
)

// Kind is what a client wants.
type Kind string

// The kinds of operations.
const (
	Login        Kind = "login"
	Refresh      Kind = "refresh"
	Reuse        Kind = "reuse" // of a refresh token that was redeemed before
	Terminate    Kind = "terminate"
	LogoutOthers Kind = "logout_others"
	LogoutAll    Kind = "logout_all"
	Request      Kind = "request" // at a till's gateway
	List         Kind = "list"    // a user's active sessions
	Trespass     Kind = "trespass"
	Users        Kind = "users"  // all pages of a tenant's users
	Status       Kind = "status" // what a gateway says of itself
)

// Outcome is what is known of an operation.
type Outcome string

// The outcomes. What was not answered, or with a server's error, is unknown.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// Operation is one call of a client and what came of it. Times are since the run
// began, by one clock.
type Operation struct {
	Kind    Kind          `json:"kind"`
	Client  string        `json:"client"`
	Via     string        `json:"via"` // the process that was asked
	Tenant  string        `json:"tenant"`
	User    string        `json:"user"`
	Session string        `json:"session,omitempty"` // of a LogoutOthers the one that is kept
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome"`
	Status  int           `json:"status,omitempty"` // of HTTP; 0 if nothing came
	Reason  string        `json:"reason,omitempty"` // of a refusal
	// Command is the same when a login or an end is given again; see Said.
	Command string `json:"command,omitempty"`
	// Said is the answer to a command, without the tokens in it.
	Said string `json:"said,omitempty"`
	// Sessions are those that an end says it ended, or that a list shows.
	Sessions []string `json:"sessions,omitempty"`
	// Position is the one in the log that the answer speaks of.
	Position uint64 `json:"position,omitempty"`
	// Redeemed names a refresh token without being it.
	Redeemed string `json:"redeemed,omitempty"`
	// Pages are what Users shows.
	Pages []Page `json:"pages,omitempty"`
	// Fresh is what a gateway says of itself beside its Position, and Process tells the
	// processes of one name apart.
	Fresh   bool   `json:"fresh,omitempty"`
	Process string `json:"process,omitempty"`
	// Last says that it came when all was quiet again.
	Last bool `json:"last,omitempty"`
}

// isCommand reports whether an operation may change who is signed in.
func (op Operation) isCommand() bool {
	switch op.Kind {
	case Login, Reuse, Terminate, LogoutOthers, LogoutAll, Trespass:
		return true
	default:
		return false
	}
}

// endsMany reports whether it may end all sessions of a user, or all but Session.
func (op Operation) endsMany() bool { return op.Kind == LogoutAll || op.Kind == LogoutOthers }

// Page is one of a list of users.
type Page struct {
	Via      string         `json:"via"`
	Position uint64         `json:"position"`
	Users    map[string]int `json:"users"` // active sessions by user
	// Twice are users who are on the page more than once.
	Twice []string `json:"twice,omitempty"`
}

// Fault is what was broken, and for how long.
type Fault struct {
	Step

	Begin time.Duration `json:"begin"`
	End   time.Duration `json:"end"` // when it was mended
	Error string        `json:"error,omitempty"`
}

// Meta is what a run was.
type Meta struct {
	Seed     uint64        `json:"seed"`
	Servers  int           `json:"servers"` // of NATS
	Duration time.Duration `json:"duration"`
	Healed   time.Duration `json:"healed"` // when the last fault was mended
	// Clocks are the seconds that each process's clock is ahead; empty if all are right.
	Clocks map[string]int `json:"clocks,omitempty"`
	// Well is when everything was well again and the lists had caught up. From then on
	// nothing is done to anybody but poison.
	Well time.Duration `json:"well,omitempty"`
	// Canary is a name that nobody but a recorder and the read model may know.
	Canary string `json:"canary"`
}

// Mended says when a part was well again.
type Mended struct {
	Part  string        `json:"part"`
	After time.Duration `json:"after"` // the last fault was mended; negative if it never was well
}

// Verified is what `posse audit verify` says of the log and of what an auditor signed of
// it while things were broken.
type Verified struct {
	Auditor string `json:"auditor"`
	Said    string `json:"said"`
	// Differs is empty if the log is what was signed, and all of it was.
	Differs string `json:"differs,omitempty"`
}

// Shown is what a query process shows of one session in the end.
type Shown struct {
	Query   string          `json:"query"`
	Tenant  string          `json:"tenant"`
	State   string          `json:"state"` // of the list it stands in
	Session json.RawMessage `json:"session"`
}

// journal writes lines of JSON, from many goroutines.
type journal struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
	err  error
}

func createJournal(dir, name string) (*journal, error) {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	return &journal{file: file, out: bufio.NewWriter(file)}, nil
}

func (j *journal) add(line any) {
	data, err := json.Marshal(line)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		_, err = j.out.Write(append(data, '\n'))
	}
	j.err = errors.Join(j.err, err)
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.err, j.out.Flush(), j.file.Close())
}

// writeLines writes a file of lines of JSON.
func writeLines[T any](dir, name string, lines []T) error {
	out, err := createJournal(dir, name)
	if err != nil {
		return err
	}
	for _, line := range lines {
		out.add(line)
	}
	return out.close()
}

// readLines reads a file of lines of JSON.
func readLines[T any](dir, name string) ([]T, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder := json.NewDecoder(bufio.NewReader(file))
	var all []T
	for {
		var one T
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", len(all)+1, name, err)
		}
		all = append(all, one)
	}
}

func writeJSON(dir, name string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), append(data, '\n'), 0o600)
}
