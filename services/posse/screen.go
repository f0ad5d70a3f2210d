package main

import (
	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/query/signin"
)

// screenFlags are those of the Sessions screen but for how people sign in.
func screenFlags() []cli.Flag {
	return group("Screen",
		texts("avatar-hosts", "hosts from which pictures of users are fetched, such as secure.gravatar.com; "+
			"everybody has initials instead if empty"),
		toggle("token-parameter", "let clients of WooCommerce POS send their token as the parameter \"authorization\" too; "+
			"mind that URLs end up in access logs"),
	)
}

// signIn is how people sign in to the screen: the recorder hears of each sign-in
// and sign-out, the gateway of what people do.
func (n *node) signIn(
	id *identity, recorder signin.Recorder, authenticator principal.Authenticator, ended endedFunc, activity *gateway.Gateway,
) (*signin.Config, error) {
	config, err := signInConfig(n.cmd)
	if err != nil {
		return nil, err
	}
	config.Recorder, config.Bearer, config.Ended = recorder, authenticator, ended
	// It seals cookies even where no tokens are minted for devices.
	config.Tokens = &token.Issuer{Keyring: id.keyring, Issuer: n.cmd.String("issuer")}
	config.Touch = func(key events.Key, ip, userAgent string) {
		activity.Touch(
			gateway.Session{Tenant: key.Tenant, User: key.User, ID: key.Session}, gateway.Origin{IP: ip, UserAgent: userAgent})
	}
	config.Logger = n.logger
	return &config, nil
}

// administrator is whom a sign-in link signs in.
func administrator(tenant, user, name string) token.Link {
	return token.Link{Tenant: tenant, User: user, Roles: []string{principal.DefaultAdminRole}, Username: user, DisplayName: name}
}
