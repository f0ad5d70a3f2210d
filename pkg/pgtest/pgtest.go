// Package pgtest gives tests a real PostgreSQL: a throw-away server of the
// binaries that the machine has, started once per test process on a socket of
// its own, and a new database for each test.
//
// The variable POSSE_TEST_POSTGRES names a server to use instead, as a URL whose
// user may create databases. Where there is neither, tests fail and say so.
//
// A package that uses New calls Main in its TestMain, which stops the server and
// removes its files. A test process that dies otherwise takes the server along.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable names the environment variable that holds the URL of a server.
const Variable = "POSSE_TEST_POSTGRES"

// startTimeout bounds initdb and the start of the server.
const startTimeout = 2 * time.Minute

// shared is the server of this process.
var shared struct {
	once   sync.Once
	server *Server // nil if the server is not ours
	url    string
	err    error
	count  atomic.Int64
}

// New makes an empty database and returns its URL. The database is dropped when
// the test ends.
func New(t testing.TB) string {
	t.Helper()
	shared.once.Do(startShared)
	if shared.err != nil {
		t.Fatalf("pgtest: %v", shared.err)
	}
	name := fmt.Sprintf("posse_test_%d_%d", os.Getpid(), shared.count.Add(1))
	if err := Execute(t.Context(), shared.url, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Execute(ctx, shared.url, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: drop database: %v", err)
		}
	})
	return databaseURL(shared.url, name)
}

func startShared() {
	if shared.url = os.Getenv(Variable); shared.url != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if shared.server, shared.err = Start(ctx, ""); shared.err == nil {
		shared.url = shared.server.URL("postgres")
	}
}

// Main runs the tests of a package, stops the server if one was started, and
// exits.
func Main(m *testing.M) { os.Exit(Stopping(m).Run()) } //nolint:revive // it is the end of a TestMain

// Runner is a testing.M, or something around it.
type Runner interface{ Run() int }

// Stopping is a Runner that stops the server after the tests, for a TestMain that
// does more than Main: goleak.VerifyTestMain(pgtest.Stopping(m)).
func Stopping(tests Runner) Runner { return stopping{tests} }

type stopping struct{ tests Runner }

func (s stopping) Run() int {
	code := s.tests.Run()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// Execute runs statements in a database, all or none.
func Execute(ctx context.Context, database, statements string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.PgConn().Exec(ctx, statements).ReadAll()
	return err
}

// databaseURL is a server's URL with another database in it.
func databaseURL(server, database string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server // connecting with it says what is wrong
	}
	u.Path = "/" + database
	return u.String()
}
