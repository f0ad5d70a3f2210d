package natsusers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/natstest"
)

// TestCredentialsMayDoNothingElse logs in with credentials that a scoped signing key of
// each role has signed, as docs/operations.md says, and tries everything.
func TestCredentialsMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	started, inboxes := s.startWithOperator()
	for role, file := range s.creds {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			newTrialBy(t, started.URL(), nats.UserCredentials(file)).tryAs(role, inboxes)
		})
	}
}

// TestRolesWorkWithCredentials has a gateway become ready, for which a recorder makes the
// streams and a projector relays.
func TestRolesWorkWithCredentials(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	started, _ := s.startWithOperator()
	s.declare(started.URL())
	s.relay(started.URL())
	g, err := gateway.New(t.Context(), gateway.Config{
		NATS:     gateway.NATS{URL: started.URL(), CredsFile: s.creds["gateway_shop"]},
		Verifier: gatewaytest.NewIssuer().Verifier(), Stale: gateway.FailClosed, Tenant: "shop", Logger: quiet(),
	})
	s.must(err)
	t.Cleanup(g.Close)
	eventually(t, "the gateway is ready", func() bool { return g.Ready() == nil })
}

// startWithOperator starts a server that trusts an operator, and makes credentials of
// every role of accounts.conf, each signed by a key with the role's permissions.
func (s *site) startWithOperator() (started *natstest.Server, inboxes map[string]string) {
	s.t.Helper()
	operator, system, account := s.key(nkeys.CreateOperator), s.key(nkeys.CreateAccount), s.key(nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(account.public)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	s.creds, inboxes = map[string]string{}, map[string]string{}
	for _, role := range users {
		if role == "system" { // of an account of its own
			continue
		}
		signing := s.key(nkeys.CreateAccount)
		scope := jwt.NewUserScope()
		scope.Key, scope.Role, scope.Template.Permissions = signing.public, role, s.template(role)
		claims.SigningKeys.AddScopedSigner(scope)
		s.creds[role], inboxes[role] = s.credentials(role, account, signing)
	}
	operatorClaims := jwt.NewOperatorClaims(operator.public)
	operatorClaims.SystemAccount = system.public
	return natstest.Start(s.t, natstest.WithConfig(fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
		s.sign(operatorClaims, operator), account.public, s.sign(claims, operator),
		system.public, s.sign(jwt.NewAccountClaims(system.public), operator)))), inboxes
}

// key is a key of an operator, an account or a user.
type key struct {
	pair   nkeys.KeyPair
	public string
}

func (s *site) key(create func() (nkeys.KeyPair, error)) key {
	s.t.Helper()
	pair, err := create()
	s.must(err)
	public, err := pair.PublicKey()
	s.must(err)
	return key{pair, public}
}

func (s *site) sign(claims jwt.Claims, by key) string {
	s.t.Helper()
	text, err := claims.Encode(by.pair)
	s.must(err)
	return text
}

// credentials makes a user of a role, and the file of its credentials.
func (s *site) credentials(role string, account, signing key) (file, inbox string) {
	s.t.Helper()
	user := s.key(nkeys.CreateUser)
	claims := jwt.NewUserClaims(user.public)
	claims.IssuerAccount = account.public
	claims.SetScoped(true)
	seed, err := user.pair.Seed()
	s.must(err)
	text, err := jwt.FormatUserConfig(s.sign(claims, signing), seed)
	s.must(err)
	file = filepath.Join(s.dir, role+".creds")
	s.must(os.WriteFile(file, text, 0o600))
	return file, events.InboxPrefix(user.public)
}

// template has the permissions of a user of accounts.conf, with the inbox of whoever
// the user is.
func (s *site) template(user string) jwt.Permissions {
	s.t.Helper()
	options, err := server.ProcessConfigFile(filepath.Join(s.dir, "nats.conf"))
	s.must(err)
	inbox := s.inbox(user)
	public := inbox[len(events.InboxPrefix("")):]
	at := slices.IndexFunc(options.Nkeys, func(u *server.NkeyUser) bool { return u.Nkey == public })
	if at < 0 {
		s.t.Fatalf("accounts.conf has no user %s", user)
	}
	given := options.Nkeys[at].Permissions
	subjects := func(p *server.SubjectPermission) jwt.Permission {
		if p == nil {
			return jwt.Permission{}
		}
		return jwt.Permission{Allow: scoped(p.Allow, inbox), Deny: scoped(p.Deny, inbox)}
	}
	permissions := jwt.Permissions{Pub: subjects(given.Publish), Sub: subjects(given.Subscribe)}
	if given.Response != nil {
		permissions.Resp = &jwt.ResponsePermission{MaxMsgs: given.Response.MaxMsgs, Expires: given.Response.Expires}
	}
	return permissions
}

func scoped(subjects []string, inbox string) jwt.StringList {
	var all jwt.StringList
	for _, subject := range subjects {
		if subject == inbox+".>" {
			subject = "_INBOX.{{subject()}}.>"
		}
		all = append(all, subject)
	}
	return all
}
