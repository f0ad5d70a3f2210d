package torture

import (
	"bytes"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/canarytest"
)

// secret is what access tokens, refresh tokens and backend keys look like.
var secret = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|posse_bk_[0-9A-Za-z]+_[0-9a-f]{16,}`)

func (x *examined) checkSecrets() {
	files, err := canarytest.Files(filepath.Join(x.dir, dirWritten))
	if err != nil {
		x.findf("%v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		x.looked++
		if found := secret.Find(files[name]); found != nil {
			x.findf("%s holds %.16q…", name, found)
		}
		if filepath.Base(name) != fileDatabase && bytes.Contains(files[name], []byte(x.meta.Canary)) {
			x.findf("%s says somebody's name", name)
		}
	}
}

func (x *examined) checkMended() {
	for _, m := range x.mended {
		x.looked++
		bound := caughtUpWithin
		if strings.HasPrefix(m.Part, "gateway-") {
			bound = freshWithin
		}
		bound += x.stalledSince(x.meta.Healed)
		if m.After < 0 || m.After > bound {
			x.findf("%s is well %s after the last fault, and may take %s", m.Part, m.After, bound)
		}
	}
}

// stalledSince returns how long after a time the machine stood still for the last time; 0
// if it did not.
func (x *examined) stalledSince(at time.Duration) (after time.Duration) {
	for _, f := range x.faults {
		if f.Action == stall {
			after = max(after, f.End-at)
		}
	}
	return after
}
