package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/process"
)

const (
	// queryEnd is how long the query service gets to end when it is asked to.
	queryEnd = 10 * time.Second
	// maxComplaints is how much of its log stands in an error, in bytes.
	maxComplaints = 2048
)

// queryService is `posse query` in a process of its own, so that what it takes is
// told from what everything else takes.
type queryService struct {
	api, admin string // URLs
	cancel     context.CancelFunc
	ended      chan struct{}
	// What follows is complete when it has ended.
	log  bytes.Buffer
	died string // how it ended if nobody asked it to
}

// startQuery runs this program again, in a folder that has its keys, and waits
// until it is ready.
func startQuery(ctx context.Context, dir string, env ...string) (*queryService, error) {
	q := &queryService{ended: make(chan struct{})}
	ctx, q.cancel = context.WithCancel(ctx)
	file := filepath.Join(dir, "query.ready")
	command, err := queryCommand(ctx, append(env, "POSSE_READY_FILE="+file))
	if err != nil {
		q.cancel()
		return nil, err
	}
	command.Stdout, command.Stderr = &q.log, &q.log
	if err := command.Start(); err != nil {
		q.cancel()
		return nil, err
	}
	go func() {
		defer close(q.ended)
		_ = command.Wait()
		if ctx.Err() == nil {
			q.died = command.ProcessState.String()
		}
		q.cancel()
	}()
	if err := q.awaitReady(ctx, file); err != nil {
		q.stop()
		return nil, fmt.Errorf("posse query: %w%s", err, q.complaints())
	}
	return q, nil
}

// queryCommand ends with the context: by itself, or else by force.
func queryCommand(ctx context.Context, env []string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, "query")
	command.Args[0] = "posse" // a program that is posse among others goes by it
	command.Env = append(withoutOurs(os.Environ()), append(env,
		"POSSE_LISTEN=127.0.0.1:0", "POSSE_ADMIN_LISTEN=127.0.0.1:0", "POSSE_LOG_LEVEL=warn")...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = queryEnd
	return command, nil
}

// withoutOurs keeps what is meant for this process from the one that it starts.
func withoutOurs(env []string) []string {
	var others []string
	for _, variable := range env {
		if !strings.HasPrefix(variable, "POSSE_") {
			others = append(others, variable)
		}
	}
	return others
}

func (q *queryService) awaitReady(ctx context.Context, file string) error {
	return ready(ctx, func() error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var addresses process.Announcement
		err = json.Unmarshal(data, &addresses)
		q.api, q.admin = addresses["api"], addresses["admin"]
		return err
	})
}

// stop ends the process, and kills it if it does not.
func (q *queryService) stop() {
	q.cancel()
	<-q.ended
}

// complaints are what a process that has ended wrote first, for an error: what it
// wrote last is about the end.
func (q *queryService) complaints() string {
	var text string
	if q.died != "" {
		text = "\nposse query died: " + q.died
	}
	if written := strings.TrimSpace(q.log.String()); written != "" {
		text += "\nposse query wrote:\n" + written[:min(len(written), maxComplaints)]
	}
	return text
}

// cpu is how many seconds of processors the process has used, as the kernel
// counts them.
func (q *queryService) cpu(ctx context.Context) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.admin+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	client := http.Client{Timeout: requestTimeout}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if seconds, found := strings.CutPrefix(lines.Text(), "process_cpu_seconds_total "); found {
			return strconv.ParseFloat(seconds, 64)
		}
	}
	return 0, errors.Join(errors.New("the query service does not say how much of the processors it has used"), lines.Err())
}
