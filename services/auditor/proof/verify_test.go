package proof_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// signed is a log of 30 events under the checkpoints of 10, 20 and 30.
func signed(t *testing.T) *rig {
	t.Helper()
	return signedIn(t, inADirectory)
}

func signedIn(t *testing.T, where vaults) *rig {
	t.Helper()
	r := newRigWith(t, where)
	for range 3 {
		r.happen(10)
		r.audit()
	}
	return r
}

func TestAnUntouchedLogVerifies(t *testing.T) {
	t.Parallel()
	r := signed(t)
	r.happen(2)
	summary, found := r.verify(nil)
	if found != "" || summary.Findings != 0 {
		t.Errorf("an untouched log has findings:\n%s", found)
	}
	if summary.Events != 32 || summary.Checkpoints != 3 || summary.Covered != 30 {
		t.Errorf("verified %+v, want 32 events and 3 checkpoints that cover 30", summary)
	}
	r.forge(func(m []eventlog.Stored) []eventlog.Stored { return m })
	if _, found := r.verify(nil); found != "" {
		t.Errorf("a log that was copied as it is has findings:\n%s", found)
	}
}

// Every way to change the history is found, and the first event it changes is named.
func TestVerifyNamesWhatWasChanged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		tamper func(r *rig)
		with   string // with the auditor's directory
		alone  string // with checkpoints alone
	}{
		"a bit of a payload": {
			func(r *rig) {
				r.forge(func(m []eventlog.Stored) []eventlog.Stored { m[14].Data[3] ^= 1; return m })
			},
			`^15: event 15 does not hash to its leaf under the checkpoint of 20 signed at \S+\n$`,
			`^11: events 11 to 20 are not what the checkpoint of 20 signed at \S+ says; .*\n0: 1 later checkpoints could not`,
		},
		"a bit of a header": {
			func(r *rig) {
				r.forge(func(m []eventlog.Stored) []eventlog.Stored {
					m[0].Header["ce-type"] = []string{"session.logged_io"}
					return m
				})
			},
			`^1: event 1 does not hash to its leaf under the checkpoint of 10`,
			`^1: events 1 to 10 are not`,
		},
		"a bit of a subject": {
			func(r *rig) {
				r.forge(func(m []eventlog.Stored) []eventlog.Stored {
					m[29].Subject = events.SessionSubject("shop", "annc")
					return m
				})
			},
			`^30: event 30 does not hash to its leaf under the checkpoint of 30`,
			`^21: events 21 to 30 are not`,
		},
		"the time of an event": {
			func(r *rig) {
				r.forge(func(m []eventlog.Stored) []eventlog.Stored { m[6].Time = m[6].Time.Add(1); return m })
			},
			`^7: event 7 does not hash to its leaf under the checkpoint of 10`,
			`^1: events 1 to 10 are not`,
		},
		"two events in different parts": {
			func(r *rig) {
				r.forge(func(m []eventlog.Stored) []eventlog.Stored { m[2].Data[0] ^= 1; m[24].Data[0] ^= 1; return m })
			},
			`^3: event 3 does not hash .* 10 .*\n25: event 25 does not hash .* 30 `,
			`^1: events 1 to 10 are not .*\n0: 2 later checkpoints could not`,
		},
		"an event deleted": {
			func(r *rig) { r.remove(12) },
			`^12: event 12 is gone from the log\n$`,
			`^12: event 12 is gone from the log\n11: events 11 to 20 are not`,
		},
		"an event deleted and the hole closed": {
			func(r *rig) { r.forge(without(11)) },
			`^12: event 12 does not hash to its leaf under the checkpoint of 20 signed at \S+, nor do 8 more up to 20\n` +
				`21: event 21 is not the one that the auditor read; .*\n30: the log ends at 29, but a checkpoint of 30 was signed: event 30 is cut off\n$`,
			`^11: events 11 to 20 are not`,
		},
		"two events reordered": {
			func(r *rig) { r.forge(swap(13, 16)) },
			`^14: event 14 does not hash to its leaf under the checkpoint of 20 signed at \S+, nor do 1 more up to 17\n$`,
			`^11: events 11 to 20 are not`,
		},
		"the tail cut": {
			func(r *rig) { r.forge(func(m []eventlog.Stored) []eventlog.Stored { return m[:25] }) },
			`^26: the log ends at 25, but a checkpoint of 30 was signed: events 26 to 30 are cut off\n$`,
			`^26: the log ends at 25, but a checkpoint of 30 was signed: events 26 to 30 are cut off\n$`,
		},
		"everything purged": {
			func(r *rig) {
				r.forge(func(m []eventlog.Stored) []eventlog.Stored { return m })
				_, err := r.store.Purge()
				r.must(err)
			},
			`^1: events 1 to 30 are gone from the log\n$`,
			`^1: events 1 to 30 are gone from the log\n`,
		},
		"the stream recreated with the same messages": {
			func(r *rig) { r.recreate(); r.happen(30) },
			`1: the stream was created at \S+, but the checkpoint of 10 was signed for one created at \S+: it was recreated\n`,
			`1: the stream was created at \S+, but the checkpoint of 10 was signed for one created at \S+: it was recreated\n`,
		},
		"the stream recreated and empty": {
			func(r *rig) { r.recreate() },
			`1: the stream was created at \S+, but .* it was recreated\n1: the log ends at 0, but a checkpoint of 30 was signed: events 1 to 30 are cut off\n$`,
			`it was recreated\n1: the log ends at 0`,
		},
		"a checkpoint in the middle removed": {
			func(r *rig) { r.vault.remove(20) },
			`^0: the checkpoint of 30 was signed after one of 20, which is missing or damaged: it was removed\n$`,
			`^0: the checkpoint of 30 was signed after one of 20, which is missing or damaged: it was removed\n$`,
		},
		"a checkpoint replaced by an older one": {
			func(r *rig) {
				r.vault.overwrite(30, r.checkpoint(20))
			},
			`^0: a checkpoint is not what was signed: \S+30\.checkpoint( in object store vault)?: proof: checkpoint: it is one of 20: somebody put it there`,
			`^0: a checkpoint is not what was signed: \S+30\.checkpoint( in object store vault)?: proof: checkpoint: it is one of 20: somebody put it there`,
		},
		"the newest checkpoint rolled back, and the tail cut": {
			func(r *rig) {
				r.vault.remove(30)
				r.forge(func(m []eventlog.Stored) []eventlog.Stored { return m[:20] })
			},
			`^0: the checkpoint of 30 that the auditor signed at \S+ is missing, the newest kept is of 20: the checkpoints were rolled back\n` +
				`21: the log ends at 20, but a checkpoint of 30 was signed: events 21 to 30 are cut off\n$`,
			`^$`, // there is nothing left that knows of them: so there are two places
		},
		"a checkpoint changed": {
			func(r *rig) {
				r.vault.overwrite(30, bytes.Replace(r.checkpoint(30), []byte("previous 20"), []byte("previous 10"), 1))
			},
			`^0: a checkpoint is not what was signed: \S+30\.checkpoint( in object store vault)?: proof: checkpoint: invalid signature`,
			`^0: a checkpoint is not what was signed: \S+30\.checkpoint( in object store vault)?: proof: checkpoint: invalid signature`,
		},
		"the auditor's own hashes": {
			func(r *rig) {
				hashes, err := os.ReadFile(r.dir + "/hashes")
				r.must(err)
				hashes[0] ^= 1
				r.must(os.WriteFile(r.dir+"/hashes", hashes, 0o600))
			},
			`^0: the auditor's own hashes in \S+ are damaged from event 1 on`,
			`^$`,
		},
	}
	for name, test := range tests {
		for place, where := range everyPlace {
			t.Run(name+", signed in "+place, func(t *testing.T) {
				t.Parallel()
				r := signedIn(t, where)
				test.tamper(r)
				_, found := r.verify(nil)
				if !regexp.MustCompile(test.with).MatchString(found) {
					t.Errorf("found\n%swant\n%s", found, test.with)
				}
				_, found = r.verify(func(v *proof.Verification) { v.Dir = "" })
				if !regexp.MustCompile(test.alone).MatchString(found) {
					t.Errorf("with the checkpoints alone found\n%swant\n%s", found, test.alone)
				}
			})
		}
	}
}

func (r *rig) recreate() {
	r.t.Helper()
	r.must(r.js.DeleteStream(r.t.Context(), events.StreamSessions))
	for _, stream := range (natslog.Config{}).StreamConfigs() {
		if stream.Name == events.StreamSessions {
			_, err := r.js.CreateStream(r.t.Context(), stream)
			r.must(err)
		}
	}
}

func TestAPlaceThatLacksACheckpointIsNamed(t *testing.T) {
	t.Parallel()
	r := signedIn(t, inABucket)
	// What is copied from a bucket into a directory is the same.
	copied, _ := inADirectory(t)
	r.must(copied.Make(t.Context()))
	for _, size := range []uint64{10, 20, 30} {
		r.must(copied.Write(t.Context(), size, r.checkpoint(size)))
	}
	both := func(v *proof.Verification) { v.Places, v.Dir = append(v.Places, copied), "" }
	if _, found := r.verify(both); found != "" {
		t.Errorf("with a copy found\n%s", found)
	}
	r.vault.remove(30)
	_, found := r.verify(both)
	if !strings.HasPrefix(found, "0: the checkpoint of 30 is missing in object store vault, another place has it") {
		t.Errorf("found\n%s", found)
	}
}

func TestEventsThatStayUncoveredAreNamed(t *testing.T) {
	t.Parallel()
	r := signed(t)
	r.happen(1)
	in := func(later time.Duration) string {
		_, found := r.verify(func(v *proof.Verification) {
			v.CoveredWithin, v.Now = time.Hour, func() time.Time { return time.Now().Add(later) }
		})
		return found
	}
	if found := in(time.Minute); found != "" {
		t.Errorf("after a minute:\n%s", found)
	}
	if found := in(2 * time.Hour); !strings.HasPrefix(found, "31: events from 31 on are under no checkpoint") {
		t.Errorf("after two hours:\n%s", found)
	}
}

func TestACheckpointOfAnotherKeyIsNone(t *testing.T) {
	t.Parallel()
	r := signed(t)
	other, err := proof.OpenKey(t.TempDir(), "example.com/pos")
	r.must(err)
	r.key = other
	summary, found := r.verify(func(v *proof.Verification) { v.Dir = "" })
	if summary.Checkpoints != 0 || strings.Count(found, "is not what was signed") != 3 {
		t.Errorf("%d checkpoints verified by another key:\n%s", summary.Checkpoints, found)
	}
}
