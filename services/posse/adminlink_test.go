package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/token"
)

// TestAdminLinkIsForTheKeysOfPosse prints links as whoever has the keys, and
// opens them as the posse that does.
func TestAdminLinkIsForTheKeysOfPosse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	issuer := &token.Issuer{Keyring: keyring, Issuer: "posse"}
	for name, test := range map[string]struct {
		args []string
		want token.Link
	}{
		"as it comes": {nil, token.Link{Tenant: "default", User: "admin"}},
		"for a shop":  {[]string{"--tenant", "shop", "--user", "7", "--name", "Ada"}, token.Link{Tenant: "shop", User: "7", DisplayName: "Ada"}},
	} {
		var out, faults bytes.Buffer
		app := &cli.Command{Name: "posse", Writer: &out, ErrWriter: &faults, Commands: []*cli.Command{adminLinkCommand()}}
		if err := app.Run(t.Context(), append([]string{"posse", "admin-link", "--keys", dir}, test.args...)); err != nil {
			t.Fatal(err)
		}
		sealed, isLink := strings.CutPrefix(strings.TrimSuffix(out.String(), "\n"), "http://127.0.0.1:8480/signin?link=")
		if !isLink || faults.Len() > 0 {
			t.Fatalf("%s: printed %q and %q", name, out.String(), faults.String())
		}
		got, err := issuer.OpenLink(sealed)
		if err != nil || got.Tenant != test.want.Tenant || got.User != test.want.User || got.DisplayName != test.want.DisplayName ||
			len(got.Roles) != 1 || got.Roles[0] != "admin" {
			t.Errorf("%s: the link says %+v, %v", name, got, err)
		}
	}
}
