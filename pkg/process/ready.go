package process

import (
	"encoding/json"
	"maps"
	"net/http"
	"sync"
)

// Readiness collects what a process must have before it takes requests. The
// zero value is ready.
type Readiness struct {
	mu     sync.Mutex
	checks map[string]func() error
}

// Add makes the process ready only while check returns nil; its error is the
// reason that is shown, and so must not hold a secret. Checks are asked at every
// request for /readyz: they look at a state and do no work.
func (r *Readiness) Add(name string, check func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checks == nil {
		r.checks = map[string]func() error{}
	}
	r.checks[name] = check
}

// Unready returns the reason of each component that is not ready, by its name.
func (r *Readiness) Unready() map[string]string {
	r.mu.Lock()
	checks := maps.Clone(r.checks)
	r.mu.Unlock()
	unready := map[string]string{}
	for name, check := range checks {
		if err := check(); err != nil {
			unready[name] = err.Error()
		}
	}
	return unready
}

// ReadyAnswer is what /readyz says, with status 200 or 503.
type ReadyAnswer struct {
	Ready   bool              `json:"ready"`
	Unready map[string]string `json:"unready,omitempty"`
}

// ServeHTTP answers /readyz.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	unready := r.Unready()
	answer, err := json.Marshal(ReadyAnswer{Ready: len(unready) == 0, Unready: unready})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if len(unready) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(answer, '\n'))
}
