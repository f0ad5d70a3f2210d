package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/posse-pos/posse/services/posse/client"
)

// TestKilledWhilePeopleSignIn kills posse in the middle of many logins. Every
// login that was answered is there after the next start.
func TestKilledWhilePeopleSignIn(t *testing.T) {
	t.Parallel()
	dir, posse := t.TempDir(), &serving{}
	key, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := startServing(t, posse, dir, strings.TrimSpace(string(key)))
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var people sync.WaitGroup
	for person := range 8 {
		people.Go(func() {
			for n := 0; ; n++ {
				user := fmt.Sprintf("%d-%d", person, n)
				if _, err := backend.Login(t.Context(), client.Login{User: user}); err != nil {
					return
				}
				mu.Lock()
				acknowledged[user] = true
				enough := len(acknowledged) == 200
				mu.Unlock()
				if enough {
					_ = posse.posse.cmd.Process.Kill()
				}
			}
		})
	}
	people.Wait()
	if err := posse.end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	backend = startServing(t, posse, dir, strings.TrimSpace(string(key)))
	admin, err := backend.Login(t.Context(), client.Login{User: "admin", Roles: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	users, _, err := backend.As(admin.Access).Users(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range users {
		delete(acknowledged, user.ID)
	}
	if len(users) < 200 || len(acknowledged) > 0 {
		t.Errorf("%d users are there; acknowledged, and lost: %v", len(users), acknowledged)
	}
	if err := posse.end(syscall.SIGINT); err != nil {
		t.Error(err)
	}
}

func startServing(t *testing.T, posse *serving, dir, key string) *client.Client {
	t.Helper()
	addresses, err := posse.start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = posse.end(syscall.SIGKILL) })
	backend, err := client.New(addresses["RECORDER"], key)
	if err != nil {
		t.Fatal(err)
	}
	return backend
}
