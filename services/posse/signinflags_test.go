package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/services/query/signin"
)

// readSignInFlags reads arguments as a role does. Without a tenant it is one that
// serves many.
func readSignInFlags(t *testing.T, tenant string, args ...string) (config signin.Config, err error) {
	t.Helper()
	cmd := &cli.Command{
		Name: "serve", Flags: flags(signInFlags(), []cli.Flag{text("tenant", tenant, "")}),
		Writer: io.Discard, ErrWriter: io.Discard,
		Action: func(_ context.Context, cmd *cli.Command) error {
			config, err = signInConfig(cmd)
			return nil
		},
	}
	if usage := cmd.Run(t.Context(), append([]string{"serve"}, args...)); usage != nil {
		return config, errors.Join(err, usage)
	}
	return config, err
}

func TestSignInFlags(t *testing.T) {
	t.Parallel()
	oidc := []string{"--oidc-issuer", "https://id.example", "--oidc-client-id", "posse", "--public-url", "https://posse.example/"}
	provider := signin.OIDC{
		Issuer: "https://id.example", ClientID: "posse", RedirectURL: "https://posse.example/signin/oidc/callback",
		UserClaim: "sub", RolesClaim: "groups",
	}
	with := func(change func(*signin.OIDC)) *signin.OIDC {
		p := provider
		change(&p)
		return &p
	}
	for name, test := range map[string]struct {
		tenant string
		args   []string
		want   signin.Config
	}{
		"nothing": {"", nil, signin.Config{Lifetime: 12 * time.Hour}},
		"embedding": {
			"",
			[]string{"--frame-ancestors", "https://admin.example, http://localhost:3000", "--screen-lifetime", "30m"},
			signin.Config{Lifetime: 30 * time.Minute, FrameAncestors: []string{"https://admin.example", "http://localhost:3000"}},
		},
		"a provider of the tenant": {
			"shop", oidc, signin.Config{Lifetime: 12 * time.Hour, OIDC: with(func(p *signin.OIDC) { p.Tenant = "shop" })},
		},
		"a provider of another one": {
			"shop", append(oidc, "--oidc-tenant", "chain"),
			signin.Config{Lifetime: 12 * time.Hour, OIDC: with(func(p *signin.OIDC) { p.Tenant = "chain" })},
		},
		"a provider of many": {
			"shop", append(oidc, "--oidc-tenant-claim", "org.id", "--oidc-user-claim", "uid", "--oidc-roles-claim", "roles",
				"--oidc-admin-values", "boss,owner", "--oidc-auditor-values", "books", "--oidc-name", "Example", "--oidc-scopes", "profile,groups",
				"--oidc-client-secret", "s"),
			signin.Config{Lifetime: 12 * time.Hour, OIDC: &signin.OIDC{
				Issuer: "https://id.example", ClientID: "posse", ClientSecret: "s", Name: "Example", Scopes: []string{"profile", "groups"},
				RedirectURL: "https://posse.example/signin/oidc/callback", TenantClaim: "org.id", UserClaim: "uid", RolesClaim: "roles",
				AdminValues: []string{"boss", "owner"}, AuditorValues: []string{"books"},
			}},
		},
		"a provider on this machine": {
			"shop",
			[]string{"--oidc-issuer", "http://localhost:5556/dex", "--oidc-client-id", "posse", "--public-url", "http://127.0.0.1:8480"},
			signin.Config{Lifetime: 12 * time.Hour, OIDC: with(func(p *signin.OIDC) {
				p.Issuer, p.RedirectURL, p.Tenant = "http://localhost:5556/dex", "http://127.0.0.1:8480/signin/oidc/callback", "shop"
			})},
		},
	} {
		got, err := readSignInFlags(t, test.tenant, test.args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Functions and interfaces are for others to fill in.
		if diff := cmp.Diff([]any{test.want.Lifetime, test.want.FrameAncestors, test.want.OIDC},
			[]any{got.Lifetime, got.FrameAncestors, got.OIDC}, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSignInFlagsThatCannotBeRight(t *testing.T) {
	t.Parallel()
	oidc := func(args ...string) []string {
		return append([]string{"--oidc-issuer", "https://id.example", "--oidc-client-id", "posse", "--public-url", "https://posse.example"}, args...)
	}
	for name, test := range map[string]struct {
		args []string
		want []string // what the error says
	}{
		"no lifetime":             {[]string{"--screen-lifetime", "0s"}, []string{"--screen-lifetime: 0s", "12h"}},
		"a public path":           {[]string{"--public-url", "https://posse.example/till"}, []string{"--public-url:", `"https://posse.example/till"`, "such as"}},
		"a public host":           {[]string{"--public-url", "posse.example"}, []string{"--public-url:", `"posse.example"`}},
		"an ancestor's page":      {[]string{"--frame-ancestors", "https://admin.example/x"}, []string{"--frame-ancestors:", `"https://admin.example/x"`, "such as"}},
		"an ancestor's root":      {[]string{"--frame-ancestors", "https://admin.example/"}, []string{"--frame-ancestors:"}},
		"any ancestor":            {[]string{"--frame-ancestors", "*"}, []string{"--frame-ancestors:", `"*"`}},
		"a client of nobody":      {[]string{"--oidc-client-id", "posse"}, []string{"--oidc-client-id", "does nothing without --oidc-issuer"}},
		"administrators nowhere":  {[]string{"--oidc-admin-values", "boss"}, []string{"--oidc-admin-values", "does nothing without --oidc-issuer"}},
		"a claim for nothing":     {[]string{"--oidc-user-claim", "uid"}, []string{"--oidc-user-claim", "does nothing without --oidc-issuer"}},
		"no client":               {[]string{"--oidc-issuer", "https://id.example"}, []string{"needs --oidc-client-id or POSSE_OIDC_CLIENT_ID"}},
		"no way back":             {[]string{"--oidc-issuer", "https://id.example", "--oidc-client-id", "posse"}, []string{"needs --public-url or POSSE_PUBLIC_URL"}},
		"a provider in the clear": {oidc("--oidc-issuer", "http://id.example"), []string{"--oidc-issuer:", `"http://id.example"`, "https"}},
		"a screen in the clear":   {oidc("--public-url", "http://posse.example"), []string{"--public-url:", `"http://posse.example"`, "https"}},
		"no tenant":               {oidc(), []string{"--oidc-tenant or --oidc-tenant-claim"}},
		"two tenants":             {oidc("--oidc-tenant", "shop", "--oidc-tenant-claim", "org"), []string{`--oidc-tenant: "shop"`, `"org"`, "leave one out"}},
		"a tenant's novel":        {oidc("--oidc-tenant", strings.Repeat("x", 129)), []string{"--oidc-tenant:", "129 bytes"}},
	} {
		_, err := readSignInFlags(t, "", test.args...)
		if err == nil {
			t.Errorf("%s is taken", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
	}
}
