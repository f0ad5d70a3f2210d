package screen

import "github.com/posse-pos/posse/services/query/changes"

// member is one open screen.
type member struct {
	crowd *crowd
	user  string        // who looks
	wake  chan struct{} // holds one when there is something to take

	// live.mu guards these.
	pending pulse
	check   bool // something happened to the viewer: are they still signed in?
}

// catchUp asks the hub what the screen has missed.
func (m *member) catchUp(since, now changes.Mark) {
	missed, complete := m.crowd.live.hub.Missed(m.crowd.tenant, since, now)
	for _, c := range missed {
		if c.Mark != since {
			m.pending.add(c.Users, c.All, c.Position > since.Position)
		}
	}
	if !complete {
		m.pending.add(nil, true, true)
	}
	if m.pending.all || len(m.pending.users) > 0 {
		m.notify()
	}
}

func (m *member) notify() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take returns what came since the last call.
func (m *member) take() (p pulse, check bool) {
	m.crowd.live.mu.Lock()
	defer m.crowd.live.mu.Unlock()
	p, check = m.pending, m.check
	m.pending, m.check = pulse{}, false
	return p, check
}

// leave removes a screen, and ends the crowd with its last one.
func (m *member) leave() {
	c := m.crowd
	c.live.mu.Lock()
	delete(c.members, m)
	c.live.open--
	last := len(c.members) == 0 && c.live.crowds[c.tenant] == c
	if last {
		delete(c.live.crowds, c.tenant)
	}
	c.live.mu.Unlock()
	if last {
		c.cancel()
		<-c.done
	}
}
