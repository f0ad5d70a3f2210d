package torture

// PlantedBug is a fault in posse's own code, which the suite has to find.
type PlantedBug struct {
	Name  string
	Edits []Edit
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
		Breaks: []string{"log", "logout_all", "logout_others", "refresh"},
	},
	{
		Name: "fail-open: a stale gateway admits, whatever its policy",
		Edits: []Edit{{
			File: "pkg/gateway/check.go",
			Old:  "case g.cfg.Stale.admits(staleFor):",
			New:  "case staleFor >= 0:",
		}},
		Breaks: []string{"refused"},
	},
	{
		Name: "the gateway overlooks some of what it knows",
		Edits: []Edit{{
			File: "pkg/gateway/check.go",
			Old:  "if g.Revoked(session.Tenant, session.ID) {",
			New:  "if len(session.ID)%2 == 0 && g.Revoked(session.Tenant, session.ID) {",
		}},
		Breaks: []string{"refused", "gateways"},
	},
	{
		Name: "a refresh brings an ended session back",
		Edits: []Edit{{
			File: "pkg/session/refresh.go",
			Old:  "case x.End != nil:",
			New:  `case x.End != nil && x.End.Cause == "":`,
		}},
		Breaks: []string{"log", "refresh"},
	},
	{
		Name: "an old refresh token is good",
		Edits: []Edit{{
			File: "pkg/session/refresh.go",
			Old:  "case !c.Foreign && c.Generation < x.Generation:",
			New:  "case !c.Foreign && c.Generation+100 < x.Generation:",
		}},
		Breaks: []string{"refresh"},
	},
	{
		Name: "Logout All leaves out who refreshed",
		Edits: []Edit{{
			File: "pkg/session/ending.go",
			Old:  "return x.ID == keep || x.LoginSequence > before",
			New:  "return x.ID == keep || x.LoginSequence > before || x.Generation > 0",
		}},
		Breaks: []string{"logout_all"},
	},
	{
		Name: "the read model takes the position of a batch and a part of its facts",
		Edits: []Edit{{
			File: "pkg/activesessions/pgstore/apply.go",
			Old:  "facts := fold(batch.Facts, devices)",
			New:  "facts := fold(batch.Facts[:min(len(batch.Facts), 2)], devices)",
		}},
		Breaks: []string{"model", "position"},
	},
}
