package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/pkg/process"
)

// anyPort is what every process of a test listens on.
var anyPort = []string{"POSSE_LISTEN=127.0.0.1:0", "POSSE_ADMIN_LISTEN=127.0.0.1:0", "POSSE_LOG_LEVEL=info"}

// serving is `posse serve`.
type serving struct{ posse *child }

func (s *serving) start(dir string, settings ...string) (map[string]string, error) {
	env := append(slices.Concat(anyPort, settings), "POSSE_DATA="+dir, "POSSE_KEYS="+filepath.Join(dir, "keys"), "POSSE_STALE_POLICY=fail_closed")
	posse, addresses, err := spawn(dir, "serve", "posse", []string{"serve"}, env)
	s.posse = posse
	api := addresses["api"]
	return map[string]string{
		"RECORDER": api, "QUERY": api, "GATEWAY": api,
		"RECORDER_ADMIN": addresses["admin"], "PROJECTOR_ADMIN": addresses["admin"],
		"QUERY_ADMIN": addresses["admin"], "GATEWAY_ADMIN": addresses["admin"],
	}, err
}

func (s *serving) end(sig syscall.Signal) error {
	if s.posse == nil {
		return nil
	}
	return s.posse.end(sig)
}

func (s *serving) written() (map[string][]byte, error) {
	return map[string][]byte{"log of serve": s.posse.log.Bytes()}, nil
}

// emptyReadModel has nothing to do: it lived in the memory of the process.
func (*serving) emptyReadModel() error { return nil }

// processes is one process per role, a nats-server and a PostgreSQL database.
type processes struct {
	newDatabase func() string
	postgres    string
	running     []*child

	natsPort int      // 0 means any
	edit     []string // what to replace in nats.conf, old and new in turn
	settings []string // variables of every role
}

func newProcesses(t *testing.T) installation {
	t.Helper()
	p := &processes{newDatabase: func() string { return pgtest.New(t) }}
	p.postgres = p.newDatabase()
	return p
}

func (p *processes) written() (map[string][]byte, error) {
	dump, err := pgtest.Dump(context.Background(), p.postgres)
	all := map[string][]byte{"database": dump}
	for _, c := range p.running {
		all["log of "+c.name] = c.log.Bytes()
	}
	return all, err
}

func (p *processes) emptyReadModel() error {
	p.postgres = p.newDatabase()
	return nil
}

func (p *processes) start(dir string, settings ...string) (map[string]string, error) {
	nats, err := p.startNATS(dir)
	if err != nil {
		return nil, err
	}
	env := append(p.environment(dir, nats), settings...)
	variables := map[string]string{
		"NATS": nats, "POSTGRES": p.postgres, "AUDITOR_SEED": seedFile(dir, "auditor"), "OPERATOR_SEED": seedFile(dir, "operator"),
		"PROJECTOR_SEED": seedFile(dir, "projector"), "SYSTEM_SEED": seedFile(dir, "system"),
	}
	for _, role := range []string{"recorder", "projector", "query", "gateway"} {
		if role == "gateway" {
			env = append(env, "POSSE_JWKS="+variables["RECORDER"]+"/.well-known/jwks.json")
		}
		roleAddresses, err := p.startRole(dir, role, env)
		if err != nil {
			return nil, err
		}
		maps.Copy(variables, roleAddresses)
	}
	return variables, nil
}

// startNATS starts what the roles need, with the permissions of deployments/nats,
// and returns the URL.
func (p *processes) startNATS(dir string) (natsURL string, err error) {
	config, err := shippedNATS(dir, "nats.conf", "accounts.conf")
	if err != nil {
		return "", err
	}
	if err := replaceIn(config, p.edit...); err != nil {
		return "", err
	}
	nats, addresses, err := spawn(dir, "nats", "nats-server", nil, []string{
		"CONFIG=" + config, "STORE=" + filepath.Join(dir, "nats"), "PORT=" + strconv.Itoa(p.natsPort),
	})
	p.running = nil
	p.add(nats)
	return addresses["nats"], err
}

func (p *processes) environment(dir, natsURL string) []string {
	return append(append(slices.Clone(anyPort), "POSSE_NATS="+natsURL, "POSSE_POSTGRES="+p.postgres,
		"POSSE_KEYS="+filepath.Join(dir, "keys"), "POSSE_STALE_POLICY=fail_closed"), p.settings...)
}

// replaceIn replaces texts in a file that each stand there once.
func replaceIn(file string, oldnew ...string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for pair := range slices.Chunk(oldnew, 2) {
		if bytes.Count(data, []byte(pair[0])) != 1 {
			return fmt.Errorf("%s does not say %q once", file, pair[0])
		}
	}
	return os.WriteFile(file, []byte(strings.NewReplacer(oldnew...).Replace(string(data))), 0o600)
}

var upper = map[string]string{"recorder": "RECORDER", "projector": "PROJECTOR", "query": "QUERY", "gateway": "GATEWAY"}

func (p *processes) startRole(dir, role string, env []string) (map[string]string, error) {
	posse, addresses, err := spawn(dir, role, "posse", []string{role}, append(slices.Clone(env), "POSSE_NATS_NKEY="+seedFile(dir, role)))
	p.add(posse)
	return map[string]string{upper[role]: addresses["api"], upper[role] + "_ADMIN": addresses["admin"]}, err
}

func (p *processes) add(c *child) {
	if c != nil {
		p.running = append(p.running, c)
	}
}

// end signals the roles and then NATS: an operator who stops everything stops
// the roles first. Killed, all go at the same moment.
func (p *processes) end(sig syscall.Signal) error {
	var errs []error
	if sig == syscall.SIGKILL {
		for _, c := range p.running {
			_ = c.cmd.Process.Kill()
		}
	}
	for _, c := range slices.Backward(p.running) {
		errs = append(errs, c.end(sig))
		// Each role does all its work with the permissions that posse comes with.
		if line := regexp.MustCompile(`.*(?i:permissions violation).*`).Find(c.log.Bytes()); line != nil {
			errs = append(errs, fmt.Errorf("%s was refused something by NATS: %s", c.name, line))
		}
	}
	return errors.Join(errs...)
}

// natsServer is the main function of the nats-server that processes starts.
func natsServer() error {
	options := &server.Options{}
	if err := options.ProcessConfigFile(os.Getenv("CONFIG")); err != nil {
		return err
	}
	options.Host, options.Port, options.HTTPPort, options.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, os.Getenv("STORE")
	if port, _ := strconv.Atoi(os.Getenv("PORT")); port > 0 {
		options.Port = port
	}
	options.NoSigs = true
	nats, err := server.NewServer(options)
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	nats.Start()
	if !nats.ReadyForConnections(time.Minute) {
		return errors.New("nats-server is not ready after a minute")
	}
	if err := (process.Announcement{"nats": nats.ClientURL()}).Write(os.Getenv("POSSE_READY_FILE")); err != nil {
		return err
	}
	<-interrupted
	nats.Shutdown()
	nats.WaitForShutdown()
	return nil
}
