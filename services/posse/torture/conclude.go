package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/client"
)

// conclude writes down what is true in the end.
func (r *running) conclude(ctx context.Context, t *traffic, mended []Mended) error {
	r.sayf("writing down how it ended")
	if err := r.verify(ctx); err != nil {
		return err
	}
	for _, name := range []string{fileLog, fileLogAgain} {
		if err := r.replay(ctx, name); err != nil {
			return err
		}
	}
	if err := r.touchEverybody(ctx, t); err != nil {
		return err
	}
	shown, model, err := r.settled(ctx, t)
	if err != nil {
		return err
	}
	if err := errors.Join(writeLines(r.Dir, fileModel, shown), writeLines(r.Dir, fileMended, append(mended, model))); err != nil {
		return err
	}
	if err := r.dumpModels(ctx); err != nil {
		return err
	}
	r.lastRequests(ctx, t)
	if err := r.scrape(ctx); err != nil {
		return err
	}
	return writeJSON(r.Dir, fileRun, r.meta)
}

// replay has an auditor write the history down.
func (r *running) replay(ctx context.Context, name string) error {
	if out, err := r.in.command(ctx, "auditor", "audit", "replay", "--output", r.in.path(name)).CombinedOutput(); err != nil {
		return fmt.Errorf("posse audit replay: %w\n%s", err, out)
	}
	return nil
}

// signedWithin is how soon auditors have to sign what was stored, by clocks that may be
// off by seconds.
const signedWithin = quietTime + 10*time.Second

// verify holds the log against what each auditor signed of it all the time.
func (r *running) verify(ctx context.Context) error {
	auditors := r.in.named("auditor")
	all := make([]Verified, 0, len(auditors))
	for _, auditor := range auditors {
		said, err := r.in.command(ctx, "auditor", "audit", "verify", "--keys", r.in.path("keys"), "--audit-dir", r.in.tree(auditor),
			"--checkpoints", r.in.checkpoints(auditor), "--covered-within", signedWithin.String()).CombinedOutput()
		verified := Verified{Auditor: auditor, Said: string(said)}
		if err != nil {
			verified.Differs = err.Error()
		}
		all = append(all, verified)
	}
	return writeLines(r.Dir, fileVerified, all)
}

// settled returns what each query process shows of everybody, when it has come to the
// end of the log and they show the same, and how long that took: activity comes on a
// stream of its own.
func (r *running) settled(ctx context.Context, t *traffic) ([]Shown, Mended, error) {
	end, err := r.end()
	if err != nil {
		return nil, Mended{}, err
	}
	for began := time.Now(); ; {
		shown, err := r.shown(ctx, t, end)
		if err != nil {
			return nil, Mended{}, err
		}
		if took := time.Since(began); len(differing(shown)) == 0 || took >= caughtUpWithin {
			return shown, Mended{"the read model", took}, nil
		}
	}
}

func (r *running) shown(ctx context.Context, t *traffic, end uint64) ([]Shown, error) {
	var all []Shown
	for _, query := range r.in.named("query") {
		for _, tenant := range tenants {
			for n := range people {
				for _, state := range []string{"active", "ended"} {
					sessions, err := r.sessions(ctx, t, query, tenant, fmt.Sprintf("u-%d", n), state, end)
					if err != nil {
						return nil, fmt.Errorf("ask %s for the end: %w", query, err)
					}
					for _, session := range sessions {
						all = append(all, Shown{query, tenant, state, session})
					}
				}
			}
		}
	}
	return all, nil
}

// end is the last sequence of the log.
func (r *running) end() (uint64, error) {
	facts, err := readLines[struct {
		Sequence uint64 `json:"sequence"`
	}](r.Dir, fileLog)
	if err != nil || len(facts) == 0 {
		return 0, fmt.Errorf("the log is empty: %w", err)
	}
	return facts[len(facts)-1].Sequence, nil
}

func (r *running) sessions(
	ctx context.Context, t *traffic, query, tenant, user, state string, position uint64,
) ([]json.RawMessage, error) {
	api, err := client.New(r.in.api[query], t.admins[tenant])
	if err != nil {
		return nil, err
	}
	var answer struct {
		Sessions []json.RawMessage `json:"sessions"`
	}
	err = api.Do(ctx, client.Request{
		Method: http.MethodGet, Path: "/v1/users/" + user + "/sessions",
		Query: url.Values{"state": {state}, "wait_for": {strconv.FormatUint(position, 10)}, "wait": {"30"}, "limit": {"1000"}},
	}, &answer)
	if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Status == http.StatusNotFound {
		return nil, nil // nobody of that name ever signed in
	}
	return answer.Sessions, err
}

// lastRequests has devices ask every gateway once more: those that are remembered, and
// those of whom it is in doubt what happened. Then each gateway says where it is.
func (r *running) lastRequests(ctx context.Context, t *traffic) {
	var tills sync.WaitGroup
	devices := t.asking()
	for _, gateway := range r.in.named("gateway") {
		tills.Go(func() {
			c := &caller{traffic: t, name: "last at " + gateway}
			for _, d := range devices {
				c.requestOf(ctx, gateway, d, true)
			}
			c.status(ctx, gateway, true)
		})
	}
	tills.Wait()
}

// scrape writes down the metrics of every role, and what is in the database.
func (r *running) scrape(ctx context.Context) error {
	for name := range r.in.admin {
		_, text, err := r.in.look(ctx, name, "/metrics")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.Dir, dirWritten, name+".metrics"), text, 0o600); err != nil {
			return err
		}
	}
	dump, err := pgtest.Dump(ctx, r.in.database.URL("posse"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, dirWritten, fileDatabase), dump, 0o600)
}
