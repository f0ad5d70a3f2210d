package pgtest_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/pkg/pgtest"
)

// doomed, in the environment, makes this test binary a process that starts a
// server, prints its id and dies of a panic.
const doomed = "POSSE_PGTEST_DOOMED"

func TestMain(m *testing.M) {
	if os.Getenv(doomed) != "" {
		startAndPanic()
	}
	pgtest.Main(m)
}

func TestNewGivesEachTestADatabase(t *testing.T) {
	t.Parallel()
	first, second := pgtest.New(t), pgtest.New(t)
	if first == second {
		t.Fatalf("two tests share %s", first)
	}
	conn, err := pgx.Connect(t.Context(), first)
	if err != nil {
		t.Fatalf("connect to %s: %v", first, err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("a new database has %d tables, %v", tables, err)
	}
}

func TestServerKeepsWhatItWasTold(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start(t.Context(), "", pgtest.WithFsync(), pgtest.WithSetting("work_mem", "7MB"))
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	url, err := server.CreateDatabase(t.Context(), `odd "name"`)
	if err != nil {
		t.Errorf("create database: %v", err)
	}
	for setting, want := range map[string]string{"fsync": "on", "work_mem": "7MB"} {
		if got := show(t, server.URL("postgres"), setting); got != want {
			t.Errorf("%s is %s, want %s (database %s)", setting, got, want, url)
		}
	}
	pid := server.Pid()
	if err := server.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d runs after Stop", pid)
	}
}

func show(t *testing.T, url, setting string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var value string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&value); err != nil {
		t.Fatalf("show %s: %v", setting, err)
	}
	return value
}
