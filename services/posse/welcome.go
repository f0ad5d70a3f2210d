package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/posse/demo"
)

// welcome says, to the person who started serve, what is there and what to do
// with it. Keys and tokens go to the terminal only, never to the log.
func (s *allInOne) welcome(ctx context.Context) error {
	var text strings.Builder
	s.writePlaces(&text)
	if err := s.writeLink(&text); err != nil {
		return err
	}
	switch {
	case s.cmd.Bool("demo"):
		visitor, err := s.signInVisitor(ctx)
		if err != nil {
			return err
		}
		s.writeTour(&text, visitor.Access)
	case s.key != "":
		s.writeFirstKey(&text)
	}
	fmt.Fprint(&text, "\nCtrl-C ends posse and loses nothing.\n\n")
	_, err := io.WriteString(s.cmd.Root().Writer, text.String())
	return err
}

func (s *allInOne) writePlaces(w io.Writer) {
	fmt.Fprint(w, "\nposse is ready.\n\n")
	api := s.addresses["api"]
	places := []struct{ name, place string }{
		{"screen", api + "/"},
		{"API", api + "/v1"},
		{"docs", api + "/docs"},
		{"gateway", api + "/authz/forward-auth"},
		{"proxy", s.addresses["proxy"]},
		{"NATS", s.addresses["nats"]},
		{"Envoy", s.addresses["ext_authz"]},
		{"metrics", s.addresses["admin"] + "/metrics"},
		{"data", s.cmd.String("data")},
		{"when stale", s.cmd.String("stale-policy")},
	}
	for _, p := range places {
		if p.place != "" {
			fmt.Fprintf(w, "  %-10s  %s\n", p.name, p.place)
		}
	}
}

// writeLink shows the link that signs the administrator in to the screen.
func (s *allInOne) writeLink(w io.Writer) error {
	who := administrator(s.cmd.String("tenant"), "admin", "Administrator")
	if s.cmd.Bool("demo") {
		who = administrator(demo.Tenant, demoVisitor, demoVisitorName)
	}
	issuer := &token.Issuer{Keyring: s.id.keyring, Issuer: s.cmd.String("issuer")}
	link, err := signInLink(issuer, cmp.Or(s.cmd.String("public-url"), s.addresses["api"]), who)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, `
Open this in a browser: it signs you in as an administrator, once, within ten
minutes. `+"`posse admin-link`"+` prints another.

  %s
`, link)
	return nil
}

// writeFirstKey shows the key that this start made.
func (s *allInOne) writeFirstKey(w io.Writer) {
	fmt.Fprintf(w, `
This is the key of the POS backend of tenant %q. It is shown this once:

  export POSSE_KEY=%s

Sign an administrator in, and see who is signed in:

%s
`, s.cmd.String("tenant"), s.key, indent(s.signInLines("TOKEN", `{"user": "1", "roles": ["admin"]}`)+"\n"+s.listLine("TOKEN")))
}

// writeTour shows what to try with the demo.
func (s *allInOne) writeTour(w io.Writer, adminToken string) {
	fmt.Fprintf(w, `
A shop of 12 people and 24 devices is opening. In another terminal:

  export POSSE_KEY=%s
  export POSSE_TOKEN=%s

The first is the key of the shop's backend, the second the token of an
administrator, good for %d minutes. Who is signed in:

%s

Sign a cashier in on a till, and make a request through the gateway:

%s

Terminate the session, and make the same request again: it is refused.

%s
`, s.key, adminToken, int(s.cmd.Duration("access-lifetime").Minutes()),
		indent(s.listLine("POSSE_TOKEN")),
		indent(s.signInLines("TILL", `{"user": "99", "platform": "ios", "personal":
      {"display_name": "Cashier", "user_agent": "WCPOS/1.8.1 (ios; build 231)"}}`)+"\n"+s.requestLine()),
		indent(s.terminateLine()+"\n"+s.requestLine()))
}

// signInLines signs somebody in and keeps the access token in a variable.
func (s *allInOne) signInLines(variable, body string) string {
	return fmt.Sprintf(`LOGIN=$(curl -s %s/v1/sessions -H "Authorization: Bearer $POSSE_KEY" \
  -H 'Content-Type: application/json' -d '%s')
%s=$(echo "$LOGIN" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')`, s.addresses["api"], body, variable)
}

func (s *allInOne) listLine(variable string) string {
	return fmt.Sprintf(`curl -s %s/v1/users -H "Authorization: Bearer $%s"`, s.addresses["api"], variable)
}

func (s *allInOne) requestLine() string {
	return fmt.Sprintf(`curl -i %s/products -H "Authorization: Bearer $TILL"`, s.addresses["proxy"])
}

func (s *allInOne) terminateLine() string {
	return fmt.Sprintf(`SESSION=$(echo "$LOGIN" | sed 's/.*"session":"\([^"]*\)".*/\1/')
curl -s -X DELETE "%s/v1/sessions/$SESSION?wait=gateways" -H "Authorization: Bearer $POSSE_TOKEN"`, s.addresses["api"])
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
