package screen

import "maps"

// pulse is what changed since the pulse before it.
type pulse struct {
	all   bool                // too many users to name
	users map[string]struct{} // whose sessions are not what they were
	moved bool                // somebody signed in or was signed out, or may have
	ended bool                // nothing will come any more
}

func (p *pulse) concerns(user string) bool {
	_, named := p.users[user]
	return p.all || named
}

func (p *pulse) add(users []string, all, moved bool) {
	p.moved = p.moved || moved
	if p.users == nil {
		p.users = map[string]struct{}{}
	}
	for _, user := range users {
		p.users[user] = struct{}{}
	}
	if p.all = p.all || all || len(p.users) > maxPulseUsers; p.all {
		clear(p.users)
	}
}

func (p *pulse) merge(o *pulse) {
	p.add(nil, o.all, o.moved)
	if !p.all {
		maps.Copy(p.users, o.users)
		p.add(nil, len(p.users) > maxPulseUsers, false)
	}
	p.ended = p.ended || o.ended
}
