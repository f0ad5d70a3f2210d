package pgtest_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
