package torture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/projector"
)

// lookPause lies between two looks at something that has to be reached.
const lookPause = 20 * time.Millisecond

// dumpModels writes the read model down in its canonical form: the tables that served
// all the time, a fold of the same streams in memory, and the tables that a rebuild from
// the first message put in the place of those.
func (r *running) dumpModels(ctx context.Context) (err error) {
	conn, err := r.in.connect(ctx, "projector")
	if err != nil {
		return err
	}
	defer conn.Close()
	log, err := natslog.Open(ctx, conn, natslog.Config{Logger: quiet})
	if err != nil {
		return err
	}
	live, err := pgstore.Open(ctx, pgstore.Config{URL: r.in.database.URL("posse"), Logger: quiet})
	if err != nil {
		return err
	}
	defer live.Close()
	if err := reached(ctx, log, live); err != nil {
		return err
	}
	if err := dumpModel(ctx, r.in.path(fileLive), live); err != nil {
		return err
	}
	if err := r.foldModel(ctx, log); err != nil {
		return err
	}
	if err := r.rebuild(ctx); err != nil {
		return err
	}
	return dumpModel(ctx, r.in.path(fileRebuilt), live)
}

// reached returns when a read model stands at the end of both streams. One that does
// not get there is dumped as it is: the examination finds what is missing.
func reached(ctx context.Context, log *natslog.Log, model activesessions.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, caughtUpWithin)
	defer cancel()
	for _, stream := range []string{events.StreamSessions, events.StreamTouches} {
		end, err := log.State(ctx, stream)
		if err != nil {
			return err
		}
		for ctx.Err() == nil {
			at, err := model.Checkpoint(ctx, stream)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if at.Sequence >= end.Last {
				break
			}
			pause(ctx, lookPause)
		}
	}
	return nil
}

// foldModel folds both streams in memory, as a posse without PostgreSQL does, and dumps
// that.
func (r *running) foldModel(ctx context.Context, log *natslog.Log) error {
	model := memstore.New(memstore.Config{})
	fold, err := projector.New(projector.Config{Log: log, Store: model, Logger: quiet})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, caughtUpWithin)
	defer cancel()
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- fold.Run(run) }()
	for fold.Ready() != nil && ctx.Err() == nil {
		pause(ctx, lookPause)
	}
	stop()
	if err := errors.Join(<-ended, ctx.Err()); err != nil {
		return fmt.Errorf("fold the log in memory: %w", err)
	}
	return dumpModel(ctx, r.in.path(fileFold), model)
}

// rebuild makes the tables anew, while everybody is at work with them.
func (r *running) rebuild(ctx context.Context) error {
	command := r.in.command(ctx, "projector", "projector", "rebuild", "--postgres", r.in.database.URL("posse"))
	var said, log bytes.Buffer
	command.Stdout, command.Stderr = &said, &log // which says that there is poison
	if err := command.Run(); err != nil {
		return fmt.Errorf("posse projector rebuild: %w\n%s", err, &log)
	}
	r.sayf("%s", bytes.TrimSpace(said.Bytes()))
	return nil
}

func dumpModel(ctx context.Context, name string, model activesessions.Reader) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	err = model.Dump(ctx, func(line []byte) error {
		_, err := out.Write(append(line, '\n'))
		return err
	})
	return errors.Join(err, out.Flush(), file.Close())
}

// pause returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// touchEverybody records a last request of every session that the log knows. Of a
// session POS_TOUCHES keeps only what was stored last, and the read model has the newest;
// touches of two gateways may overtake each other (ADR 10). After this one, which comes
// when nobody makes requests any more, what was stored last is the newest.
func (r *running) touchEverybody(ctx context.Context, t *traffic) error {
	facts, err := readLines[fact](r.Dir, fileLog)
	if err != nil {
		return err
	}
	at := time.Now().Add(beyondClocks).Format(time.RFC3339Nano)
	lines := map[string][][]byte{} // by tenant
	for _, f := range facts {
		if !f.is(events.TypeLoggedIn) {
			continue
		}
		line, err := json.Marshal(map[string]string{
			"user": f.Event.User, "session": f.Event.Session, "ip": "203.0.113.8", "at": at,
		})
		if err != nil {
			return err
		}
		lines[f.Event.Tenant] = append(lines[f.Event.Tenant], line)
	}
	for tenant, all := range lines {
		for chunk := range slices.Chunk(all, touchesAtOnce) {
			if err := t.touch(ctx, tenant, bytes.Join(chunk, []byte("\n"))); err != nil {
				return fmt.Errorf("record the last requests: %w", err)
			}
		}
	}
	return nil
}

// beyondClocks is later than what any clock that is off by seconds said before.
const beyondClocks = time.Minute

// touchesAtOnce is how many touches a recorder takes at a time.
const touchesAtOnce = 1000

// recording records touches.
var recording = &http.Client{Timeout: callPatience}

func (t *traffic) touch(ctx context.Context, tenant string, lines []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.in.api["recorder-1"]+"/v1/touches", bytes.NewReader(lines))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Authorization", "Bearer "+t.in.keys[tenant])
	response, err := recording.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("POST /v1/touches answers %s", response.Status)
	}
	return nil
}

// modelFiles are the dumps that have to be the same.
var modelFiles = []string{fileLive, fileFold, fileRebuilt}

// readModels reads the dumps of a recorded run.
func readModels(dir string) (map[string][]byte, error) {
	models := map[string][]byte{}
	for _, name := range modelFiles {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		models[name] = data
	}
	return models, nil
}
