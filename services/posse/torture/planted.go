package torture

// PlantedBug is a fault in posse's own code, which the suite has to find.
type PlantedBug struct {
	Name  string
	Edits []Edit
	// Servers is how many servers of NATS it takes.
	Servers int
	// Seeds are plans that show it. They are played in turn until one does.
	Seeds []uint64
	// Breaks are the promises of which at least one has to be found broken.
	Breaks []string
}

// PlantedBugs are those that the suite is proven with.
var PlantedBugs = []PlantedBug{
	{
		Name: "no expectation: commands do not see what came in between",
		Edits: []Edit{{
			File: "pkg/eventlog/natslog/append.go",
			Old:  "len(facts)), expect: expect}",
			New:  "len(facts)), expect: nil}",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseLog, promiseLogoutAll, promiseLogoutOthers, promiseRefresh},
	},
	{
		Name: "fail-open: a stale gateway admits, whatever its policy",
		Edits: []Edit{{
			File: "pkg/gateway/check.go",
			Old:  "case g.cfg.Stale.admits(staleFor):",
			New:  "case staleFor >= 0:",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseRefused},
	},
	{
		Name: "the gateway overlooks some of what it knows",
		Edits: []Edit{{
			File: "pkg/gateway/check.go",
			Old:  "if g.Revoked(session.Tenant, session.ID) {",
			New:  "if len(session.ID)%2 == 0 && g.Revoked(session.Tenant, session.ID) {",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseRefused, promiseGateways},
	},
	{
		Name: "a refresh brings an ended session back",
		Edits: []Edit{{
			File: "pkg/session/refresh.go",
			Old:  "case x.End != nil:",
			New:  `case x.End != nil && x.End.Cause == "":`,
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseLog, promiseRefresh},
	},
	{
		Name: "an old refresh token is good",
		Edits: []Edit{{
			File: "pkg/session/refresh.go",
			Old:  "case !c.Foreign && c.Generation < x.Generation:",
			New:  "case !c.Foreign && c.Generation+100 < x.Generation:",
		}},
		Servers: 1, Seeds: []uint64{113},
		Breaks: []string{promiseRefresh},
	},
	{
		Name: "Logout All leaves out who refreshed",
		Edits: []Edit{{
			File: "pkg/session/ending.go",
			Old:  "return x.ID == keep || x.LoginSequence > before",
			New:  "return x.ID == keep || x.LoginSequence > before || x.Generation > 0",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseLogoutAll},
	},
	{
		Name: "the read model takes the position of a batch and a part of its facts",
		Edits: []Edit{{
			File: "pkg/activesessions/pgstore/apply.go",
			Old:  "facts := fold(batch.Facts, devices)",
			New:  "facts := fold(batch.Facts[:min(len(batch.Facts), 2)], devices)",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseModel, promisePosition},
	},
	{
		Name: "the read model takes the position in a transaction of its own",
		Edits: []Edit{{
			File: "pkg/activesessions/pgstore/apply.go",
			Old: `	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w, err := s.begin(ctx, tx, &batch, facts.tenants)
		if err != nil {
			return err
		}
		changed`,
			New: `	var w *writing
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		w, err = s.begin(ctx, tx, &batch, facts.tenants)
		return err
	})
	if err != nil {
		return nil, wrap("apply", err)
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		w.tx = tx
		changed`,
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseModel, promisePosition},
	},
	{
		Name: "ack before commit: what NATS did not acknowledge counts as stored",
		Edits: []Edit{{
			File: "pkg/eventlog/natslog/append.go",
			Old:  "\t\treturn l.lookAgain(ctx, a, err)\n",
			New:  "\t\treturn 1, nil\n",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseLog},
	},
	{
		Name: "a touch makes a session active that has ended",
		Edits: []Edit{{
			File: "pkg/activesessions/pgstore/sessions.go",
			Old:  "= `login_sequence > 0 AND end_sequence = 0 AND expires > $3`",
			New:  "= `login_sequence > 0 AND (end_sequence = 0 OR last_active > end_at) AND expires > $3`",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promisePosition, promiseModel},
	},
	{
		Name: "a gateway does not notice what it did not hear",
		Edits: []Edit{{
			File: "pkg/gateway/internal/natsfeed/live.go",
			Old:  "if sequence > r.at.sequence+1 && !r.isNext(subject, before) {",
			New:  "if sequence > r.at.sequence+1 && before == sequence {",
		}},
		Servers: 1, Seeds: []uint64{3258}, // two gateways hear messages twice and late for six seconds
		Breaks: []string{promiseRefused, promiseGateways},
	},
	{
		Name: "conflict code 10164 is taken for no conflict",
		Edits: []Edit{{
			File: "pkg/eventlog/natslog/append.go",
			Old:  "codeTooManyBatches):\n",
			New:  "codeTooManyBatches):\n\t\tif hasCode(err, codeConflictInFlight) {\n\t\t\treturn 1, nil\n\t\t}\n",
		}},
		Servers: 3, Seeds: []uint64{262, 262, 262}, // it takes two recorders at the same moment
		Breaks: []string{promiseLog, promiseLogoutAll, promiseLogoutOthers, promiseRefresh},
	},
	{
		Name: "wall-clock ordering: Logout All ends who signed in before it by the clock",
		Edits: []Edit{{
			File: "pkg/session/ending.go",
			Old:  "return x.ID == keep || x.LoginSequence > before",
			New:  "return x.ID == keep || x.LoginSequence > before || x.Created.After(e.Now)",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseLogoutAll, promiseLogoutOthers},
	},
	{
		Name: "the relay ticks on a stream that was emptied",
		Edits: []Edit{{
			File: "services/projector/relay/tick.go",
			Old:  "errors.Is(err, eventlog.ErrNotFound):\n\t\t\treturn errOtherEpoch",
			New:  "errors.Is(err, eventlog.ErrNotFound):",
		}, {
			File: "services/projector/relay/tick.go",
			Old:  `last.Epoch != r.epoch && last.Epoch != ""`,
			New:  `last.Epoch == "another"`,
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseRefused, promiseGateways, promiseTerminal},
	},
	{
		Name: "subscribe before snapshot, the other way round: what comes between the two is lost",
		Edits: []Edit{{
			File: "pkg/gateway/internal/natsfeed/follow.go",
			Old: "\tline, err := r.listen()\n\tif err != nil {\n\t\treturn err\n\t}\n\tdefer line.close()\n" +
				"\tif err := r.load(ctx); err != nil {\n\t\treturn err\n\t}\n",
			New: "\tif err := r.load(ctx); err != nil {\n\t\treturn err\n\t}\n" +
				"\trest(ctx, look)\n" +
				"\tline, err := r.listen()\n\tif err != nil {\n\t\treturn err\n\t}\n\tdefer line.close()\n" +
				"\tfirst := <-line.messages\n" +
				"\t_, _ = fmt.Sscan(first.Header.Get(jetstream.SequenceHeader), &r.at.sequence)\n\tr.at.sequence--\n" +
				"\tif err := r.take(ctx, first); err != nil {\n\t\treturn err\n\t}\n",
		}},
		Servers: 1, Seeds: []uint64{5715}, // gateways and NATS are interrupted seven times
		Breaks: []string{promiseRefused, promiseGateways},
	},
	{
		Name: "drop on error: the relay goes on without what it could not publish",
		Edits: []Edit{{
			File: "services/projector/relay/relay.go",
			Old:  "\t\t\treturn fmt.Errorf(\"relay: publish %d revocations: %w\", len(revocations), err)\n",
			New:  "\t\t\tr.config.Logger.Error(fmt.Sprintf(\"publish %d revocations: %v\", len(revocations), err))\n",
		}},
		Servers: 1,
		// NATS is killed while both relays wait for it, which not every run brings about.
		Seeds:  []uint64{8762, 2085180, 817915, 1275087, 1971812, 2459293, 3515269, 5427580},
		Breaks: []string{promiseApplied, promiseRefused, promiseGateways},
	},
	{
		Name: "tick without position: it says where the log ends, wherever the relay is",
		Edits: []Edit{{
			File: "services/projector/relay/tick.go",
			Old:  "for n < len(r.goals) && r.reached(r.goals[n].state) {",
			New:  "for n < len(r.goals) {",
		}},
		Servers: 1, Seeds: []uint64{736464}, // both relays are slow
		Breaks: []string{promiseApplied},
	},
	{
		Name: "an auditor takes a log that is out of sight for one that is gone",
		Edits: []Edit{{
			File: "services/auditor/proof/auditor.go",
			Old:  "\t\ta.suspect = time.Time{}\n\t\ta.sees(err)",
			New:  "\t\ta.halt(err)",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseMended},
	},
	{
		Name: "the recorder's log has what a login was answered",
		Edits: []Edit{{
			File: "services/recorder/http.go",
			Old:  "\treturn &loginOutput{",
			New:  "\tr.logger.InfoContext(ctx, \"signed in\", \"answer\", done)\n\treturn &loginOutput{",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseSecrets},
	},
	{
		Name: "administrators end sessions of the first tenant, whatever their own",
		Edits: []Edit{{
			File: "services/recorder/end.go",
			Old:  "\t\tTenant: p.Tenant, User: user,",
			New:  "\t\tTenant: \"shop\", User: user,",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseTenants, promiseLog},
	},
	{
		Name: "nobody remembers where users stood for who is paging",
		Edits: []Edit{{
			File: "pkg/activesessions/pgstore/users.go",
			Old:  "l.paged < l.pagedAtLeast()",
			New:  "l.paged < l.pagedAtLeast() && l.paged < 0",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promisePaging},
	},
	{
		Name: "a gateway says that it is further than it is",
		Edits: []Edit{{
			File: "pkg/gateway/follower_ticks.go",
			Old:  "advanceTo(t.Sequence, renewed)",
			New:  "advanceTo(t.Sequence+3, renewed)",
		}},
		Servers: 1, Seeds: []uint64{189},
		Breaks: []string{promiseApplied},
	},
}
