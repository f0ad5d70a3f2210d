package history

import "sync"

// streams counts the answers under way, by tenant.
type streams struct {
	most int // of one tenant

	mu   sync.Mutex
	open map[string]int
}

// take makes room for an answer, unless the tenant has as many as it may. The caller
// calls release once.
func (s *streams) take(tenant string) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[tenant] >= s.most {
		return nil, false
	}
	s.open[tenant]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[tenant]--
		if s.open[tenant] == 0 {
			delete(s.open, tenant)
		}
	}, true
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, open := range s.open {
		n += open
	}
	return n
}
