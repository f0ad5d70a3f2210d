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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/netfault"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/natsusers/natsuserstest"
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
}

const (
	startPatience = time.Minute
	touchInterval = 2 * time.Second
	nats          = "nats"
	postgres      = "postgres"
)

// MakeDir makes a temporary directory for a run, which whoever PostgreSQL runs as can go
// through.
func MakeDir() (string, error) {
	dir, err := os.MkdirTemp("", "posse-torture-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // see above
}

// tenants are the shops of a run.
var tenants = []string{"shop", "elsewhere"}

// installation is posse on processes, with a line from each role to NATS and to
// PostgreSQL.
type installation struct {
	Programs

	dir      string
	programs map[string]*program
	database *pgtest.Server
	lines    map[string]*netfault.Line
	api      map[string]string // base URL by process
	admin    map[string]string // of /readyz and /metrics
	keys     map[string]string // backend key by tenant
	died     func(name string, err error)

	natsAddress string
}

// quiet is for connections of the run's own.
var quiet = slog.New(slog.DiscardHandler)

// seed is the file with the key of a role's NATS user.
func (in *installation) seed(role string) string {
	return in.path(filepath.Join("nats-keys", role+".nk"))
}

// Programs are the paths of what is run.
type Programs struct{ posse, natsServer string }

// Build makes the programs from the source of this repository, and of the nats-server
// that it embeds.
func Build(ctx context.Context, dir string) (Programs, error) { return build(ctx, dir) }

func build(ctx context.Context, dir string, flags ...string) (Programs, error) {
	p := Programs{posse: filepath.Join(dir, "posse"), natsServer: filepath.Join(dir, "nats-server")}
	for binary, source := range map[string]string{
		p.posse: "github.com/posse-pos/posse/services/posse", p.natsServer: "github.com/nats-io/nats-server/v2",
	} {
		arguments := slices.Concat([]string{"build"}, flags, []string{"-o", binary, source})
		out, err := exec.CommandContext(ctx, "go", arguments...).CombinedOutput() //nolint:gosec // it is our own
		if err != nil {
			return Programs{}, fmt.Errorf("torture: go build %s: %w\n%s", source, err, out)
		}
	}
	return p, nil
}

// install starts everything in a directory and waits until it is ready.
func install(ctx context.Context, dir string, what Programs, died func(string, error)) (*installation, error) {
	in := &installation{
		Programs: what, dir: dir, died: died, programs: map[string]*program{}, lines: map[string]*netfault.Line{},
		api: map[string]string{}, admin: map[string]string{}, keys: map[string]string{},
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
	var err error
	if in.natsAddress, err = in.startNATS(ctx); err != nil {
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

// startNATS starts a nats-server with the shipped configuration, of which only
// addresses and paths are replaced.
func (in *installation) startNATS(ctx context.Context) (address string, err error) {
	root, err := repository(ctx)
	if err != nil {
		return "", err
	}
	config, err := natsuserstest.Copy(filepath.Join(root, "deployments", "nats"), in.path("nats-keys"), "nats.conf", "accounts.conf")
	if err != nil {
		return "", err
	}
	if address, err = natstest.Address(ctx); err != nil {
		return "", err
	}
	monitor, err := natstest.Address(ctx)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return "", err
	}
	replaced := strings.NewReplacer("0.0.0.0:4222", address, "0.0.0.0:8222", monitor,
		"store_dir: /data", "store_dir: "+in.path(filepath.Join(dirWritten, nats))).Replace(string(text))
	if err := os.WriteFile(config, []byte(replaced), 0o600); err != nil { //nolint:gosec // it is our own
		return "", err
	}
	in.programs[nats] = &program{name: nats, path: in.natsServer, args: []string{"-c", config}, log: in.logFile(nats), died: in.died}
	return address, in.programs[nats].start()
}

// repository is the folder of this repository's source.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/posse-pos/posse/services/posse").Output()
	if err != nil {
		return "", fmt.Errorf("torture: find the source of posse: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "..", ".."), nil
}

func (in *installation) logFile(name string) string {
	return in.path(filepath.Join(dirWritten, name+".log"))
}

func (in *installation) startPostgres(ctx context.Context) (err error) {
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
	toNATS, err := in.line(name+" to "+nats, in.natsAddress)
	if err != nil {
		return err
	}
	in.api[name], in.admin[name] = "http://"+listen, "http://"+admin
	env := []string{
		"POSSE_LISTEN=" + listen, "POSSE_ADMIN_LISTEN=" + admin, "POSSE_LOG_LEVEL=info",
		"POSSE_NATS=nats://" + toNATS, "POSSE_NATS_NKEY=" + in.seed(role),
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
		env = append(env, "POSSE_STALE_POLICY=fail_closed", "POSSE_JWKS="+in.api["recorder-1"]+"/.well-known/jwks.json",
			"POSSE_SNAPSHOT="+in.path(name+".snapshot"), "POSSE_NAME="+name, "POSSE_TOUCH_INTERVAL="+touchInterval.String())
	case "recorder":
		env = append(env, "POSSE_ACCESS_LIFETIME=24h")
	}
	in.programs[name] = &program{name: name, path: in.posse, args: []string{role}, env: env, log: in.logFile(name), died: in.died}
	return in.programs[name].start()
}

func (in *installation) line(name, target string) (address string, err error) {
	line, err := netfault.Listen("127.0.0.1:0", func() string { return target })
	if err != nil {
		return "", err
	}
	line.Open()
	in.lines[name] = line
	return line.Address(), nil
}

// ready waits until every role says that it is.
func (in *installation) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for name := range in.admin {
		for !in.isReady(ctx, name) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready after %s; see %s", name, startPatience, in.logFile(name))
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, in.admin[name]+path, http.NoBody)
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

func (in *installation) isReady(ctx context.Context, name string) bool {
	status, _, err := in.look(ctx, name, "/readyz")
	return err == nil && status == http.StatusOK
}

// processNames are those of the processes that can be killed, in order.
func (in *installation) processNames() []string {
	return append(slices.Sorted(maps.Keys(in.programs)), postgres)
}

// lineNames are those of the lines, in order.
func (in *installation) lineNames() []string { return slices.Sorted(maps.Keys(in.lines)) }

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
		if name == nats {
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
	if p := in.programs[nats]; p != nil {
		errs = append(errs, p.end(syscall.SIGTERM))
	}
	for _, line := range in.lines {
		line.Close()
	}
	if in.database != nil {
		errs = append(errs, in.database.Stop())
	}
	return errors.Join(errs...)
}
