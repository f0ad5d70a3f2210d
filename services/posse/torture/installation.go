package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/netfault"
	"github.com/posse-pos/posse/pkg/pgtest"
)

// How many there are of each role.
var roles = []struct {
	name     string
	count    int
	postgres bool
}{
	{"recorder", 2, true},
	{"projector", 2, true},
	{"query", 2, true},
	{"gateway", 3, false},
	{"auditor", 2, false},
}

const (
	startPatience = time.Minute
	touchInterval = 2 * time.Second
	nats          = "nats"
	postgres      = "postgres"
)

// MakeDir makes a new directory for a run, which whoever PostgreSQL runs as can go
// through, in a parent or, if that is empty, where temporary files are.
func MakeDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "posse-torture-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // see above
}

// tenants are the shops of a run.
var tenants = []string{"shop", "elsewhere"}

// installation is posse on processes, with a line from each role to each server of NATS
// and to PostgreSQL.
type installation struct {
	Programs

	dir       string
	seed      uint64
	count     int // of servers of NATS
	nodes     []natsNode
	programs  map[string]*program
	database  *pgtest.Server
	disks     map[string]string // directory by process
	lines     map[string]link
	disorders map[string][]*netfault.Disorder // by role
	clocks    map[string]int                  // seconds that a process's clock is ahead
	api       map[string]string               // base URL by process
	admin     map[string]string               // of /readyz and /metrics
	keys      map[string]string               // backend key by tenant
	died      func(name string, err error)
}

// link is what is broken and mended at once: a line, or the two between servers of NATS.
type link []*netfault.Line

func (l link) each(do func(*netfault.Line)) {
	for _, line := range l {
		do(line)
	}
}

// quiet is for connections of the run's own.
var quiet = slog.New(slog.DiscardHandler)

// key is the file with the key of a role's NATS user.
func (in *installation) key(role string) string {
	return in.path(filepath.Join("nats-keys", role+".nk"))
}

// install starts everything in a directory and waits until it is ready.
func install(ctx context.Context, config Config, died func(string, error)) (*installation, error) {
	in := &installation{
		Programs: config.Programs, dir: config.Dir, seed: config.Seed, count: config.Servers, died: died,
		programs: map[string]*program{}, disks: map[string]string{}, lines: map[string]link{}, disorders: map[string][]*netfault.Disorder{},
		clocks: map[string]int{}, api: map[string]string{}, admin: map[string]string{}, keys: map[string]string{},
	}
	if err := in.startAll(ctx); err != nil {
		return nil, errors.Join(err, in.end())
	}
	return in, nil
}

func (in *installation) startAll(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(in.dir, dirWritten), 0o700); err != nil {
		return err
	}
	if err := in.startNATS(ctx); err != nil {
		return err
	}
	if err := in.startPostgres(ctx); err != nil {
		return err
	}
	for _, tenant := range tenants {
		//nolint:gosec // it is our own
		key, err := exec.CommandContext(ctx, in.posse, "keys", "create", "--keys", in.path("keys"), "--tenant", tenant).Output()
		if err != nil {
			return fmt.Errorf("posse keys create: %w", err)
		}
		in.keys[tenant] = strings.TrimSpace(string(key))
	}
	for _, role := range roles {
		for n := range role.count {
			if err := in.startRole(ctx, fmt.Sprintf("%s-%d", role.name, n+1), role.name, role.postgres); err != nil {
				return err
			}
		}
	}
	return in.ready(ctx)
}

func (in *installation) path(name string) string { return filepath.Join(in.dir, name) }

func (in *installation) logFile(name string) string {
	return in.path(filepath.Join(dirWritten, name+".log"))
}

// tree and checkpoints are the directories of an auditor.
func (in *installation) tree(auditor string) string {
	return in.path(filepath.Join(dirWritten, auditor, "tree"))
}

func (in *installation) checkpoints(auditor string) string {
	return in.path(filepath.Join(dirWritten, auditor, "checkpoints"))
}

func (in *installation) startPostgres(ctx context.Context) (err error) {
	if err := in.mountDisk(postgres, in.path(postgres)); err != nil {
		return err
	}
	in.database, err = in.runPostgres(ctx)
	if err != nil {
		return err
	}
	_, err = in.database.CreateDatabase(ctx, "posse")
	return err
}

// runPostgres starts PostgreSQL on the loopback address, on the same port each time.
func (in *installation) runPostgres(ctx context.Context) (*pgtest.Server, error) {
	address := in.api[postgres]
	if address == "" {
		var err error
		if address, err = natstest.Address(ctx); err != nil {
			return nil, err
		}
		in.api[postgres] = address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	return pgtest.Start(ctx, in.path(postgres), pgtest.WithFsync(), pgtest.WithAddress(host, port))
}

func (in *installation) startRole(ctx context.Context, name, role string, onPostgres bool) error {
	listen, err := natstest.Address(ctx)
	if err != nil {
		return err
	}
	admin, err := natstest.Address(ctx)
	if err != nil {
		return err
	}
	servers, err := in.natsURL(name)
	if err != nil {
		return err
	}
	in.api[name], in.admin[name] = "http://"+listen, "http://"+admin
	keysOfTokens := "POSSE_JWKS=" + in.api["recorder-1"] + "/.well-known/jwks.json"
	env := []string{
		"POSSE_LISTEN=" + listen, "POSSE_ADMIN_LISTEN=" + admin, "POSSE_LOG_LEVEL=info",
		"POSSE_NATS=" + servers, "POSSE_NATS_NKEY=" + in.key(role),
		"POSSE_KEYS=" + in.path("keys"),
	}
	if onPostgres {
		toPostgres, err := in.line(name+" to "+postgres, in.api[postgres])
		if err != nil {
			return err
		}
		env = append(env, "POSSE_POSTGRES=postgres://postgres@"+toPostgres+"/posse?sslmode=disable")
	}
	switch role {
	case "gateway":
		env = append(env, "POSSE_STALE_POLICY=fail_closed", keysOfTokens,
			"POSSE_SNAPSHOT="+in.path(name+".snapshot"), "POSSE_NAME="+name, "POSSE_TOUCH_INTERVAL="+touchInterval.String())
	case "auditor":
		env = append(env, keysOfTokens,
			"POSSE_AUDIT_DIR="+in.tree(name), "POSSE_CHECKPOINTS="+in.checkpoints(name), "POSSE_CHECKPOINT_EVERY=1s")
	case "recorder":
		env = append(env, "POSSE_ACCESS_LIFETIME=24h", "POSSE_REPLICAS="+strconv.Itoa(in.count))
	}
	return in.startProgram(name, in.posse, []string{role}, env...)
}

// startProgram starts a process, whose clock is off where clocks can be.
func (in *installation) startProgram(name, path string, args []string, env ...string) error {
	if in.clocksOff {
		in.clocks[name] = clockOf(in.seed, name)
		env = append(env, clockEnv(in.clocks[name]))
	}
	in.programs[name] = &program{name: name, path: path, args: args, env: env, log: in.logFile(name), died: in.died}
	return in.programs[name].start()
}

// line returns the near end of a line. Two of the same name are broken together.
func (in *installation) line(name, target string, opts ...netfault.Option) (address string, err error) {
	line, err := netfault.Listen("127.0.0.1:0", func() string { return target }, opts...)
	if err != nil {
		return "", err
	}
	line.Open()
	in.lines[name] = append(in.lines[name], line)
	return line.Address(), nil
}

// ready waits until every role says that it is.
func (in *installation) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for name := range in.admin {
		for {
			err := in.isReady(ctx, name)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready after %s: %w; see %s", name, startPatience, err, in.logFile(name))
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// looking asks processes how they are.
var looking = &http.Client{Timeout: time.Second}

// look returns what a process says on its own address, for operators.
func (in *installation) look(ctx context.Context, name, path string) (status int, text []byte, err error) {
	return get(ctx, in.admin[name]+path)
}

func get(ctx context.Context, url string) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	response, err := looking.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// isReady returns why a process is not.
func (in *installation) isReady(ctx context.Context, name string) error {
	status, text, err := in.look(ctx, name, "/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("it answers %d: %s", status, text)
	}
	return err
}

// targets are what can be broken.
func (in *installation) targets() Targets {
	t := Targets{
		Processes: append(slices.Sorted(maps.Keys(in.programs)), postgres),
		Lines:     slices.Sorted(maps.Keys(in.lines)),
		Roles:     slices.Sorted(maps.Keys(in.disorders)),
		Disks:     slices.Sorted(maps.Keys(in.disks)),
	}
	if in.count > 1 {
		for _, node := range in.nodes {
			t.Servers = append(t.Servers, node.name)
		}
		t.Streams = []string{events.StreamSessions, events.StreamRevocations, events.StreamTouches}
	}
	return t
}

func (in *installation) isServer(name string) bool {
	return slices.ContainsFunc(in.nodes, func(node natsNode) bool { return node.name == name })
}

// named returns the processes of a role, in order.
func (in *installation) named(role string) []string {
	var names []string
	for name := range in.admin {
		if strings.HasPrefix(name, role+"-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// end ends everything, the roles first.
func (in *installation) end() error {
	var mu sync.Mutex
	var errs []error
	var ending sync.WaitGroup
	for name, p := range in.programs {
		if in.isServer(name) {
			continue
		}
		ending.Go(func() {
			err := p.end(syscall.SIGINT)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	ending.Wait()
	for _, node := range in.nodes {
		if p := in.programs[node.name]; p != nil {
			errs = append(errs, p.end(syscall.SIGTERM))
		}
	}
	for _, link := range in.lines {
		link.each((*netfault.Line).Close)
	}
	if in.database != nil {
		errs = append(errs, in.database.Stop())
	}
	errs = append(errs, in.keepDisks())
	return errors.Join(errs...)
}
