package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PlantedBug is a fault in posse's own code, which the suite has to find. It is planted by
// building from a source file that has one text replaced, and is in no other program.
type PlantedBug struct {
	Name string
	// File is below the repository's root; Old stands in it once.
	File, Old, New string
	// Breaks are the promises of which at least one has to be found broken.
	Breaks []string
}

// PlantedBugs are those that the suite is proven with.
var PlantedBugs = []PlantedBug{
	{
		Name: "no expectation: commands do not see what came in between",
		File: "pkg/eventlog/natslog/append.go",
		Old:  "len(facts)), expect: expect}", New: "len(facts)), expect: nil}",
		Breaks: []string{"log", "logout_all", "logout_others", "refresh"},
	},
	{
		Name: "fail-open: a stale gateway admits, whatever its policy",
		File: "pkg/gateway/check.go",
		Old:  "case g.cfg.Stale.admits(staleFor):", New: "case staleFor >= 0:",
		Breaks: []string{"refused"},
	},
	{
		Name: "the gateway overlooks some of what it knows",
		File: "pkg/gateway/check.go",
		Old:  "if g.Revoked(session.Tenant, session.ID) {", New: "if len(session.ID)%2 == 0 && g.Revoked(session.Tenant, session.ID) {",
		Breaks: []string{"refused", "gateways"},
	},
	{
		Name: "a refresh brings an ended session back",
		File: "pkg/session/refresh.go",
		Old:  "case x.End != nil:", New: `case x.End != nil && x.End.Cause == "":`,
		Breaks: []string{"log", "refresh"},
	},
	{
		Name: "an old refresh token is good",
		File: "pkg/session/refresh.go",
		Old:  "case !c.Foreign && c.Generation < x.Generation:", New: "case !c.Foreign && c.Generation+100 < x.Generation:",
		Breaks: []string{"refresh"},
	},
	{
		Name: "Logout All leaves out who refreshed",
		File: "pkg/session/ending.go",
		Old:  "return x.ID == keep || x.LoginSequence > before", New: "return x.ID == keep || x.LoginSequence > before || x.Generation > 0",
		Breaks: []string{"logout_all"},
	},
	{
		Name: "the read model takes the position of a batch and a part of its facts",
		File: "pkg/activesessions/pgstore/apply.go",
		Old:  "facts := fold(batch.Facts, devices)", New: "facts := fold(batch.Facts[:min(len(batch.Facts), 2)], devices)",
		Breaks: []string{"model", "position"},
	},
}

// BuildPlanted is Build with a bug in posse.
func BuildPlanted(ctx context.Context, dir string, planted PlantedBug) (Programs, error) {
	root, err := repository(ctx)
	if err != nil {
		return Programs{}, err
	}
	file, err := plant(root, dir, planted)
	if err != nil {
		return Programs{}, err
	}
	overlay := map[string]map[string]string{"Replace": {filepath.Join(root, planted.File): file}}
	if err := writeJSON(dir, "overlay.json", overlay); err != nil {
		return Programs{}, err
	}
	return build(ctx, dir, "-overlay", filepath.Join(dir, "overlay.json"))
}

// plant writes the changed source into dir.
func plant(root, dir string, planted PlantedBug) (file string, err error) {
	source, err := os.ReadFile(filepath.Join(root, planted.File))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), planted.Old); n != 1 {
		return "", fmt.Errorf("torture: %s has %q %d times, and a bug is planted where it stands once", planted.File, planted.Old, n)
	}
	file = filepath.Join(dir, "planted.go")
	changed := strings.Replace(string(source), planted.Old, planted.New, 1)
	return file, os.WriteFile(file, []byte(changed), 0o600) //nolint:gosec // it is our own
}
