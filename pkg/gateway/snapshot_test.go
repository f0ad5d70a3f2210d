package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// snapshot returns the file that a gateway left, and the issuer of its tokens.
func snapshot(t *testing.T) (file string, left *rig) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "snapshot")
	left = setup(t, func(_ *rig, cfg *gateway.Config) { cfg.SnapshotFile = file }).ready(t)
	for i := range 1000 {
		left.feed.Revoke("shop", fmt.Sprint("s", i))
	}
	left.Close()
	return file, left
}

// restart starts a gateway that does not hear from posse.
func restart(t *testing.T, left *rig, file string, policy gateway.StalePolicy, change func(*gateway.Config)) *rig {
	t.Helper()
	return setup(t, func(r *rig, cfg *gateway.Config) {
		r.feed.Freeze()
		r.clock, r.issuer = left.clock, left.issuer
		cfg.Now, cfg.Verifier, cfg.SnapshotFile, cfg.Stale = r.clock.Now, r.issuer.Verifier(), file, policy
		if change != nil {
			change(cfg)
		}
	})
}

func TestSnapshotUnderEachPolicy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy gateway.StalePolicy
		away   time.Duration
		want   gateway.Reason
	}{
		"fail closed, at once":    {gateway.FailClosed, time.Second, gateway.ReasonAllowed},
		"fail closed, too late":   {gateway.FailClosed, time.Minute, gateway.ReasonStale},
		"fail open":               {gateway.FailOpen, 24 * time.Hour, gateway.ReasonAllowed},
		"grace":                   {gateway.Grace(time.Hour), 50 * time.Minute, gateway.ReasonAllowed},
		"grace, too late":         {gateway.Grace(time.Hour), 61 * time.Minute, gateway.ReasonStale},
		"from the future, closed": {gateway.FailClosed, -time.Hour, gateway.ReasonStale},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, left := snapshot(t)
			left.clock.Advance(test.away)
			r := restart(t, left, file, test.policy, nil)
			if got := r.check(r.issuer.Token("shop", "anna", "good")); got != test.want {
				t.Errorf("a good session: %s, want %s", got, test.want)
			}
			if got := r.check(r.issuer.Token("shop", "anna", "s999")); got != gateway.ReasonRevoked {
				t.Errorf("a revoked session: %s", got)
			}
			if s := r.Stats(); s.Entries != 1000 || s.Applied != 1000 {
				t.Errorf("Stats = %+v", s)
			}
		})
	}
}

// A gateway that is killed leaves what it wrote while it ran: every 30 seconds, and
// first when it has loaded.
func TestSnapshotIsWrittenWhileTheGatewayRuns(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "snapshot")
	touching(t, func(cfg *gateway.Config) { cfg.SnapshotFile = file }, func(r *rig) {
		run := func(d time.Duration) {
			for ; d > 0; d -= time.Second {
				r.feed.Tick()
				pass(time.Second)
			}
		}
		run(2 * time.Second)
		r.feed.Revoke("shop", "s1")
		run(27 * time.Second)
		kill(r.t, r, file, gateway.Grace(25*time.Second), map[string]gateway.Reason{
			"s1": gateway.ReasonAllowed, // it ended after the snapshot, which is 28 s old
		})
		kill(r.t, r, file, gateway.FailClosed, map[string]gateway.Reason{"good": gateway.ReasonStale})
		run(4 * time.Second)
		kill(r.t, r, file, gateway.FailClosed, map[string]gateway.Reason{
			"s1": gateway.ReasonRevoked, "good": gateway.ReasonAllowed,
		})
	})
}

// kill starts a gateway from what another one has left so far, away from posse, and
// looks what it makes of some sessions.
func kill(t *testing.T, r *rig, file string, policy gateway.StalePolicy, want map[string]gateway.Reason) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(left, data, 0o600); err != nil {
		t.Fatal(err)
	}
	after := setup(t, func(after *rig, cfg *gateway.Config) {
		after.feed.Freeze()
		after.feed.Now, cfg.Now = nil, nil
		cfg.Verifier, cfg.SnapshotFile, cfg.Stale = r.issuer.Verifier(), left, policy
	})
	defer after.Close()
	for session, reason := range want {
		if got := after.check(r.issuer.Token("shop", "anna", session)); got != reason {
			t.Errorf("%s, %s after it was killed: %s, want %s", policy, session, got, reason)
		}
	}
}

// One that did not load waits for that with its first snapshot, and not 30 seconds more.
func TestSnapshotIsWrittenOnceTheGatewayHasLoaded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "snapshot")
	touching(t, func(cfg *gateway.Config) {
		cfg.SnapshotFile = file
		cfg.Feed.(*gatewaytest.Feed).Freeze()
	}, func(r *rig) {
		pass(5 * time.Second)
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("a gateway that has not loaded writes a snapshot: %v", err)
		}
		r.feed.Thaw()
		r.feed.Tick()
		pass(2 * time.Second)
		if _, err := os.Stat(file); err != nil {
			t.Errorf("two seconds after it has loaded: %v", err)
		}
	})
}

func TestUnusableSnapshotIsLeftAside(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(data []byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut off":   func(data []byte) []byte { return data[:len(data)/2] },
		"a bit set": func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
		"grown":     func(data []byte) []byte { return append(data, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, left := snapshot(t)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, spoil(data), 0o600); err != nil {
				t.Fatal(err)
			}
			r := restart(t, left, file, gateway.FailClosed, nil)
			if got := r.check(r.issuer.Token("shop", "anna", "good")); got != gateway.ReasonNotReady {
				t.Errorf("Check = %s", got)
			}
			r.feed.Thaw()
			r.feed.Tick()
			r.ready(t)
		})
	}
}

func TestSnapshotOfAnotherTenantIsNotUsed(t *testing.T) {
	t.Parallel()
	file, left := snapshot(t)
	r := restart(t, left, file, gateway.FailClosed, func(cfg *gateway.Config) { cfg.Tenant = "shop" })
	if s := r.Stats(); s.Loaded || s.Entries != 0 {
		t.Errorf("Stats = %+v", s)
	}
}

func TestSnapshotIsPrivateAndAlone(t *testing.T) {
	t.Parallel()
	file, _ := snapshot(t)
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Fatalf("files beside the snapshot: %v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
}
