package torture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestClocksAreOff builds a program that says the time, with a clock that is five minutes
// behind.
func TestClocksAreOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "clock")
	const program = "package main\n\nimport \"time\"\n\nfunc main() { print(time.Now().Unix(), \" \", time.Since(time.Now()) < time.Minute) }\n"
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	flags, err := Source{Clocks: true}.flags(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := build(t.Context(), binary, source, flags); err != nil {
		t.Fatal(err)
	}
	const behind = 300
	command := exec.CommandContext(t.Context(), binary)
	command.Env = append(os.Environ(), clockEnv(-behind))
	began := time.Now().Unix()
	out, err := command.CombinedOutput()
	said, spans, _ := strings.Cut(string(out), " ")
	seconds, parseErr := strconv.ParseInt(said, 10, 64)
	if err != nil || parseErr != nil || spans != "true" || seconds < began-behind || seconds > time.Now().Unix()-behind {
		t.Errorf("at %d, %d s behind, it says %q, %v", began, behind, out, err)
	}
}
