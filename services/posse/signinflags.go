package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/query/signin"
)

// signInFlags say how people sign in to the screen.
func signInFlags() []cli.Flag {
	return group("Sign-in",
		text("public-url", "", "URL of the screen as browsers see it, such as https://posse.example (default: that of --listen)"),
		span("screen-lifetime", signin.DefaultLifetime, "how long a sign-in to the screen is good; a tenant's policy may allow less"),
		texts("frame-ancestors", "origins, such as https://admin.example, whose pages may embed the screen and post tokens to it; "+
			"nobody's if empty"),
		text("oidc-issuer", "", "URL of the OpenID provider where people may sign in; nowhere if empty. It sends them back to "+
			signin.PathCallback+" at --public-url"),
		text("oidc-client-id", "", "what the provider calls this screen"),
		secret("oidc-client-secret", "what the screen shows the provider; none if empty, for a public client"),
		text("oidc-name", "", "what people call the provider (default: its host)"),
		texts("oidc-scopes", "what to ask the provider for besides openid (default: profile)"),
		text("oidc-tenant", "", "tenant of everybody who signs in at the provider (default: that of --tenant, if there is one)"),
		text("oidc-tenant-claim", "", "claim that names the tenant instead, such as org.id"),
		text("oidc-user-claim", "sub", "claim that holds the user's id; not one that people choose themselves"),
		text("oidc-roles-claim", "groups", "claim that holds a person's groups or roles, such as realm_access.roles"),
		texts("oidc-admin-values", "groups or roles whose people are administrators; nobody is if empty"),
		texts("oidc-auditor-values", "groups or roles whose people are auditors; everybody else sees only their own sessions"),
	)
}

// signInConfig is what the flags say of how people sign in to the screen.
func signInConfig(cmd *cli.Command) (config signin.Config, err error) {
	config.Lifetime = cmd.Duration("screen-lifetime")
	if config.Lifetime <= 0 {
		return config, fmt.Errorf("--screen-lifetime: %s is no time to look at a screen; leave it out for %s",
			config.Lifetime, signin.DefaultLifetime)
	}
	if config.FrameAncestors, err = frameAncestors(cmd); err != nil {
		return config, err
	}
	public := cmd.String("public-url")
	if public != "" {
		if _, err := screenURL(public); err != nil {
			return config, fmt.Errorf("--public-url: %w", err)
		}
	}
	config.OIDC, err = provider(cmd, public)
	return config, err
}

// frameAncestors reads --frame-ancestors.
func frameAncestors(cmd *cli.Command) ([]string, error) {
	var origins []string
	for _, text := range cmd.StringSlice("frame-ancestors") {
		u, err := screenURL(strings.TrimSpace(text))
		if err != nil || u.Path != "" {
			return nil, fmt.Errorf("--frame-ancestors: %q is not an origin such as https://admin.example", text)
		}
		origins = append(origins, u.String())
	}
	return origins, nil
}

// provider reads what the flags say of an OpenID provider, nil for none.
func provider(cmd *cli.Command, public string) (*signin.OIDC, error) {
	issuer := cmd.String("oidc-issuer")
	if issuer == "" {
		return nil, withoutProvider(cmd)
	}
	if err := required(cmd, "oidc-client-id", "public-url"); err != nil {
		return nil, fmt.Errorf("--oidc-issuer: %w", err)
	}
	for _, flag := range []string{"oidc-issuer", "public-url"} {
		if text := cmd.String(flag); !signin.IsConfidential(text) {
			return nil, fmt.Errorf("--%s: %q has to be an https URL for sign-in at a provider, or http on this machine", flag, text)
		}
	}
	tenant, err := providerTenant(cmd)
	if err != nil {
		return nil, err
	}
	return &signin.OIDC{
		Issuer: issuer, ClientID: cmd.String("oidc-client-id"), ClientSecret: cmd.String("oidc-client-secret"),
		RedirectURL: strings.TrimSuffix(public, "/") + signin.PathCallback,
		Name:        cmd.String("oidc-name"), Scopes: cmd.StringSlice("oidc-scopes"),
		Tenant: tenant, TenantClaim: cmd.String("oidc-tenant-claim"),
		UserClaim: cmd.String("oidc-user-claim"), RolesClaim: cmd.String("oidc-roles-claim"),
		AdminValues: cmd.StringSlice("oidc-admin-values"), AuditorValues: cmd.StringSlice("oidc-auditor-values"),
	}, nil
}

// withoutProvider refuses flags that would do nothing: whoever gives them thinks
// that people can sign in.
func withoutProvider(cmd *cli.Command) error {
	names := cmd.LocalFlagNames() // those that are set
	i := slices.IndexFunc(names, func(name string) bool {
		return strings.HasPrefix(name, "oidc-") && (cmd.String(name) != "" || len(cmd.StringSlice(name)) > 0)
	})
	if i < 0 {
		return nil
	}
	return fmt.Errorf("--%s does nothing without --oidc-issuer, the URL of the provider", names[i])
}

// providerTenant is the tenant of everybody who signs in at the provider, "" if a
// claim names it.
func providerTenant(cmd *cli.Command) (string, error) {
	tenant, claim := cmd.String("oidc-tenant"), cmd.String("oidc-tenant-claim")
	switch {
	case tenant != "" && claim != "":
		return "", fmt.Errorf("--oidc-tenant: %q and --oidc-tenant-claim %q exclude each other: leave one out", tenant, claim)
	case claim != "":
		return "", nil
	}
	tenant = cmp.Or(tenant, cmd.String("tenant"))
	if tenant == "" {
		return "", errors.New("--oidc-issuer needs --oidc-tenant or --oidc-tenant-claim: whose sessions its people may see")
	}
	if err := events.ValidateID("tenant", tenant); err != nil {
		return "", fmt.Errorf("--oidc-tenant: %w", err)
	}
	return tenant, nil
}
