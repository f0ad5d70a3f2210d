package principal_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/principal"
)

// rights are the answers of a principal to every question.
type rights struct {
	Record, ReadAll, ReadHistory    bool
	ReadOwn, ReadOthers, ReadNobody bool
	EndOwn, EndOthers               bool
}

func rightsOf(p principal.Principal) rights {
	return rights{
		Record: p.MayRecord(), ReadAll: p.MayReadAll(), ReadHistory: p.MayReadHistory(),
		ReadOwn: p.MayRead("ada"), ReadOthers: p.MayRead("bob"), ReadNobody: p.MayRead(""),
		EndOwn: p.MayEnd("ada"), EndOthers: p.MayEnd("bob"),
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		principal principal.Principal
		want      rights
	}{
		"nobody": {principal.Principal{User: "ada"}, rights{}},
		"backend": {
			principal.Principal{Kind: principal.Backend, Tenant: "shop", KeyID: "k"},
			rights{Record: true, EndOwn: true, EndOthers: true},
		},
		"user": {
			principal.Principal{Kind: principal.User, Tenant: "shop", User: "ada", Session: "s"},
			rights{ReadOwn: true, EndOwn: true},
		},
		"user without a name": {principal.Principal{Kind: principal.User, Tenant: "shop"}, rights{}},
		"admin": {
			principal.Principal{Kind: principal.Admin, Tenant: "shop", User: "ada", Session: "s"},
			rights{ReadAll: true, ReadHistory: true, ReadOwn: true, ReadOthers: true, ReadNobody: true, EndOwn: true, EndOthers: true},
		},
		"auditor": {
			principal.Principal{Kind: principal.Auditor, Tenant: "shop", User: "ada", Session: "s"},
			rights{ReadAll: true, ReadHistory: true, ReadOwn: true, ReadOthers: true, ReadNobody: true, EndOwn: true},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, rightsOf(test.principal)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestKindString(t *testing.T) {
	t.Parallel()
	for kind, want := range map[principal.Kind]string{
		principal.Backend: "backend", principal.User: "user", principal.Admin: "admin",
		principal.Auditor: "auditor", 0: "kind(0)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d: %q, want %q", int(kind), got, want)
		}
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	if _, ok := principal.From(t.Context()); ok {
		t.Error("a bare context carries a principal")
	}
	want := principal.Principal{Kind: principal.User, Tenant: "shop", User: "ada", Session: "s"}
	got, ok := principal.From(principal.With(t.Context(), want))
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("found %t (-want +got)\n%s", ok, diff)
	}
}
