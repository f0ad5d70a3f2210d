package torture

import "slices"

func (x *examined) checkTenants() {
	for _, op := range x.operations {
		if op.Kind != Trespass {
			continue
		}
		x.looked++
		if op.Outcome == OK {
			x.sessionf(op.Session, "an administrator of another tenant, %s, ends it", op.Tenant)
		}
	}
	for _, f := range x.log {
		if l := x.lives[f.Event.Session]; l != nil && f.Event.Session != "" && l.tenant != f.Event.Tenant {
			x.sessionf(l.session, "fact %d says it is of %s, its login of %s", f.Sequence, f.Event.Tenant, l.tenant)
		}
	}
	x.checkAsked()
}

// checkAsked looks for facts that nobody of their tenant asked for.
func (x *examined) checkAsked() {
	signsIn := map[string]bool{}
	for _, op := range x.operations {
		if op.Kind == Login && op.Outcome != Refused {
			signsIn[op.Tenant+"/"+op.Session] = true
		}
	}
	enders := x.enders()
	for _, l := range x.everybody() {
		x.looked++
		if !signsIn[l.tenant+"/"+l.session] {
			x.sessionf(l.session, "it is signed in at %d, and nobody of %s asked for that", l.login, l.tenant)
		}
		if l.revoked != 0 && len(enders(l)) == 0 {
			x.sessionf(l.session, "it ends at %d (%s), and nobody of %s asked for that", l.revoked, l.cause, l.tenant)
		}
	}
}

// enders returns a function that finds the calls, of its own tenant, by which a session
// can have ended.
func (x *examined) enders() func(*life) []Operation {
	by := map[string][]Operation{}
	for _, op := range x.operations {
		switch {
		case op.endsMany() && op.Outcome != Refused:
			user := op.Tenant + "/user/" + op.User
			by[user] = append(by[user], op)
		case op.Kind == Reuse, op.Kind == Terminate && op.Outcome != Refused:
			session := op.Tenant + "/session/" + op.Session
			by[session] = append(by[session], op)
		}
	}
	return func(l *life) []Operation {
		all := slices.Concat(by[l.tenant+"/session/"+l.session], by[l.tenant+"/user/"+l.user])
		return slices.DeleteFunc(all, func(op Operation) bool { return op.endsMany() && op.Session == l.session }) // it is kept
	}
}
