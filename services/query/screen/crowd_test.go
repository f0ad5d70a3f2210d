package screen_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/screen"
)

func TestHeadOfAStreamIsNotAStream(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		f := &follower{rig: r, header: http.Header{}}
		request, err := http.NewRequestWithContext(r.Context(), http.MethodHead, "/live", http.NoBody)
		if err != nil {
			r.Fatal(err)
		}
		request.Header.Set("X-Test-Who", "anna")
		r.handler.ServeHTTP(f, request)
		if f.status != http.StatusOK || f.beats != 0 || r.hub.Count() != 0 {
			r.Errorf("HEAD is answered %d, %d watch", f.status, r.hub.Count())
		}
	})
}

func TestAStreamEndsWithTheHub(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.hear(func(stop func()) {
			r.shop()
			f, other := r.follow("anna", ""), r.follow("zoe", "")
			stop()
			if !f.over() || !other.over() {
				r.Fatal("a stream goes on that nothing will come on")
			}
			if a := r.get("anna", "/live"); a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" {
				r.Errorf("a new one is answered %d", a.Code)
			}
		})
	})
}

func TestACrowdEndsWithItsLastScreen(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.shop()
		first, second, foreign := r.follow("anna", ""), r.follow("otto", ""), r.follow("zoe", "")
		if n := r.hub.Count(); n != 2 {
			r.Errorf("the screens of two tenants are %d watchers", n)
		}
		first.close()
		foreign.close()
		if n := r.hub.Count(); n != 1 {
			r.Errorf("%d watchers are left, want one", n)
		}
		second.close()
		if n := r.hub.Count(); n != 0 {
			r.Errorf("%d watchers are left", n)
		}
		again := r.follow("anna", "")
		defer again.close()
		r.signedIn(r.login("carl", "carl-3", till, 0))
		r.announce("carl")
		pass(time.Second)
		again.hears("a new crowd", "users")
	})
}

func TestSoManyScreensAreOpen(t *testing.T) {
	t.Parallel()
	live(t, func(r *rig) {
		r.build(func(c *screen.Config) { c.MaxScreens = 2 })
		r.shop()
		first, second := r.follow("anna", ""), r.follow("zoe", "")
		if a := r.get("otto", "/live"); a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" {
			r.Errorf("one too many is answered %d", a.Code)
		}
		first.close()
		third := r.follow("otto", "")
		third.close()
		second.close()
	})
}

func TestNobodyIsLeftBehindWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.hub = changes.NewHub(changes.Config{Store: r.reader, Bus: r.wire, MaxWatchers: 1})
		r.build()
		r.hear(func(func()) {
			r.shop()
			first, second := r.open("anna", ""), r.open("zoe", "")
			if first.over() || !second.over() || second.status != http.StatusServiceUnavailable {
				r.Errorf("of two tenants, one may watch: %v %v %d", first.over(), second.over(), second.status)
			}
			third := r.follow("otto", "") // is one of the crowd
			third.close()
			first.close()
			if n := r.hub.Count(); n != 0 {
				r.Errorf("%d watchers are left", n)
			}
			again := r.follow("zoe", "")
			if again.over() {
				r.Error("there is no room when everybody has left")
			}
			again.close()
		})
	})
}
