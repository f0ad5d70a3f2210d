package pgtest_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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

func TestServerDiesWithUs(t *testing.T) {
	t.Parallel()
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), doomed+"="+t.Name())
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	pid, dir, _ := strings.Cut(lines.Text(), " ")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := process.Wait(); err == nil {
		t.Error("the process was to die and did not")
	}
	server, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("the process printed %q", lines.Text())
	}
	waitForEnd(t, server)
}

func waitForEnd(t *testing.T, pid int) {
	t.Helper()
	deadline, retry := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer retry.Stop()
	for !isGone(pid) {
		select {
		case <-deadline:
			t.Fatalf("server %d outlives the process that started it", pid)
		case <-retry.C:
		}
	}
}

// isGone takes a dead process whose parent has not looked yet for gone.
func isGone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
