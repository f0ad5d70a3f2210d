package gateway

import (
	"context"
	"sync"

	"github.com/posse-pos/posse/pkg/gateway"
)

// streams are the connections and answers that may outlive their session.
type streams struct {
	mu   sync.Mutex
	open map[sessionRef]map[*stream]struct{}
	size int
}

type sessionRef struct{ tenant, session string }

// stream is one request through the proxy. It counts as open from when its
// answer turns out to have no end.
type stream struct {
	session gateway.Session
	cancel  context.CancelCauseFunc
	body    *coming // nil if there is none
}

func newStreams() *streams {
	return &streams{open: map[sessionRef]map[*stream]struct{}{}}
}

func refOf(session gateway.Session) sessionRef { return sessionRef{session.Tenant, session.ID} }

func (s *streams) add(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := refOf(st.session)
	if s.open[ref] == nil {
		s.open[ref] = map[*stream]struct{}{}
	}
	s.open[ref][st] = struct{}{}
	s.size++
}

// remove forgets a stream, also one that was never open.
func (s *streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := refOf(st.session)
	if _, ok := s.open[ref][st]; !ok {
		return
	}
	delete(s.open[ref], st)
	s.size--
	if len(s.open[ref]) == 0 {
		delete(s.open, ref)
	}
}

// end ends all streams of a session that was revoked.
func (s *streams) end(tenant, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.open[sessionRef{tenant, session}] {
		st.cancel(gateway.ErrRevoked)
	}
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}
