package torture

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Programs are what is run.
type Programs struct {
	posse, natsServer string
	// clocksOff says that they know by how much their clock is off; see [Source].
	clocksOff bool
}

// Source says how the programs differ from what this repository has. Differences are
// made while building and are in no other program (go build -overlay).
type Source struct {
	// Clocks has each process take the time from a clock that is off by as much as its
	// environment says. It changes package time, so everything is compiled again: for
	// minutes, the first time.
	Clocks bool
	// Planted is what is wrong with posse; nil if nothing is.
	Planted *PlantedBug
}

// Build makes the programs from the source of this repository, and of the nats-server
// that it embeds.
func Build(ctx context.Context, dir string, source Source) (Programs, error) {
	flags, err := source.flags(ctx, dir)
	if err != nil {
		return Programs{}, err
	}
	p := Programs{posse: filepath.Join(dir, "posse"), natsServer: filepath.Join(dir, "nats-server"), clocksOff: source.Clocks}
	for binary, path := range map[string]string{
		p.posse: "github.com/posse-pos/posse/services/posse", p.natsServer: "github.com/nats-io/nats-server/v2",
	} {
		if err := build(ctx, binary, path, flags); err != nil {
			return Programs{}, err
		}
	}
	return p, nil
}

func build(ctx context.Context, binary, path string, flags []string) error {
	arguments := slices.Concat([]string{"build"}, flags, []string{"-o", binary, path})
	out, err := exec.CommandContext(ctx, "go", arguments...).CombinedOutput() //nolint:gosec // it is our own
	if err != nil {
		return fmt.Errorf("torture: go build %s: %w\n%s", path, err, out)
	}
	return nil
}

// flags writes the changed files into dir and returns the flags that build with them.
func (s Source) flags(ctx context.Context, dir string) ([]string, error) {
	replaced := map[string]string{}
	if s.Clocks {
		if err := offClocks(ctx, dir, replaced); err != nil {
			return nil, err
		}
	}
	if s.Planted != nil {
		root, err := repository(ctx)
		if err != nil {
			return nil, err
		}
		for n, edit := range s.Planted.Edits {
			original := filepath.Join(root, edit.File)
			changed := filepath.Join(dir, fmt.Sprintf("planted-%d%s", n+1, filepath.Ext(edit.File)))
			if err := edit.write(cmp.Or(replaced[original], original), changed); err != nil {
				return nil, err
			}
			replaced[original] = changed
		}
	}
	if len(replaced) == 0 {
		return nil, nil
	}
	if err := writeJSON(dir, "overlay.json", map[string]any{"Replace": replaced}); err != nil {
		return nil, err
	}
	return []string{"-overlay", filepath.Join(dir, "overlay.json")}, nil
}

// Edit replaces one text of a source file.
type Edit struct {
	// File is below the repository's root; Old stands in it once.
	File, Old, New string
}

// write writes the changed text of a file into another.
func (e Edit) write(original, changed string) error {
	source, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	if n := strings.Count(string(source), e.Old); n != 1 {
		return fmt.Errorf("torture: %s has %q %d times, and is changed where it stands once", original, e.Old, n)
	}
	text := strings.Replace(string(source), e.Old, e.New, 1)
	return os.WriteFile(changed, []byte(text), 0o600) //nolint:gosec // it is our own
}

// clockOffset is the environment variable with the seconds that a process's clock is
// ahead.
const clockOffset = "TORTURE_CLOCK_OFFSET"

//go:embed clock.go.txt
var clock []byte

// offClocks has time.Now add what the environment says. What measures durations goes by
// the monotonic clock and is not touched.
func offClocks(ctx context.Context, dir string, replaced map[string]string) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("torture: go env GOROOT: %w", err)
	}
	timeDir := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	original, changed := filepath.Join(timeDir, "time.go"), filepath.Join(dir, "time.go")
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if err := (Edit{Old: now, New: now + "\tsec += clockOffset\n"}).write(original, changed); err != nil {
		return err
	}
	added := filepath.Join(dir, "clock.go")
	replaced[original], replaced[filepath.Join(timeDir, "clock_offset.go")] = changed, added
	return os.WriteFile(added, clock, 0o600)
}

// repository is the folder of this repository's source.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/posse-pos/posse/services/posse").Output()
	if err != nil {
		return "", fmt.Errorf("torture: find the source of posse: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "..", ".."), nil
}

// clockEnv is the environment of a process whose clock is ahead by so many seconds.
func clockEnv(seconds int) string { return clockOffset + "=" + strconv.Itoa(seconds) }
