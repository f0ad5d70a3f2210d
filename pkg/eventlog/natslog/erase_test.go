package natslog_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/canarytest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// TestADestroyedKeyIsNotOnTheDisk looks for the secret itself, before and after.
func TestADestroyedKeyIsNotOnTheDisk(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, natstest.WithSyncAlways())
	r := newRig(t, server.URL(), 1, nil)
	fact := login("anna", "till-1")
	signedIn, _ := fact.Event.(events.LoggedIn)
	signedIn.Personal.DisplayName = "Anna Canary"
	fact.Event = signedIn
	_, err := r.log.Append(t.Context(), []events.Envelope{fact}, nil)
	r.must(err)

	var key struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	}
	r.must(json.Unmarshal(r.stored(events.StreamKeys, 1).Data, &key))
	store := server.Server().StoreDir()
	if !canarytest.OnDisk(t, store, key.Secret) {
		t.Fatal("the key that is there is not found")
	}
	if canarytest.OnDisk(t, store, "Canary") || strings.Contains(string(r.stored(events.StreamSessions, 1).Data), "Canary") {
		t.Error("the name is on the disk")
	}
	who := fact.Event.SessionKey()
	r.must(r.log.Destroy(t.Context(), events.Forgotten{Tenant: who.Tenant, User: who.User, Keys: []string{key.ID}}))
	if canarytest.OnDisk(t, store, key.Secret) {
		t.Error("the key that was destroyed is still on the disk")
	}
}

// The quarter of a key is that of its subject, also when the quarter ends meanwhile.
func TestAKeyOfTheLastMomentOfAQuarterIsFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, natstest.Start(t).URL(), 1, nil)
	last := time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC)
	var asked atomic.Int64
	config := r.config
	config.Now = func() time.Time { return last.Add(time.Duration(asked.Add(1)-1) * time.Minute) }
	log, err := natslog.Open(t.Context(), r.conn, config)
	r.must(err)
	fact := login("anna", "till-1")
	signedIn, _ := fact.Event.(events.LoggedIn)
	signedIn.Personal.DisplayName = "Anna"
	fact.Event = signedIn
	_, err = log.Append(t.Context(), []events.Envelope{fact}, nil)
	r.must(err)
	who := fact.Event.SessionKey()
	facts, err := r.log.User(t.Context(), who.Tenant, who.User, 0)
	r.must(err)
	if got, _ := facts[0].Event.(events.LoggedIn); got.Personal.DisplayName != "Anna" {
		t.Errorf("the login reads %+v", got)
	}
}
