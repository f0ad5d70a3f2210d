package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/query/signin"
)

// defaultScreen is where `posse serve` shows the screen unless told otherwise.
const defaultScreen = "http://127.0.0.1:8480"

func adminLinkCommand() *cli.Command {
	address := text("url", defaultScreen, "public URL of the screen, as the browser sees it")
	// Beside a posse that was told its public URL it need not be told again.
	address.Sources.Append(cli.EnvVars(environment("public-url")))
	return &cli.Command{
		Name:  "admin-link",
		Usage: "print a link that signs an administrator in to the screen, once",
		Description: `Open the link in a browser and confirm: it signs in whom --user names, as an
administrator of --tenant. It is good for ten minutes, and once. Who signs in with
it stands in the list like everybody else, and can be signed out there.

Whoever can read the directory of keys can run this, so keep it to yourself. It
needs no running posse, but the keys of the one that it is for:

   posse admin-link --keys posse-demo/keys --tenant shop
   docker compose exec query /posse admin-link --url https://posse.example`,
		Flags: []cli.Flag{
			keysFlag(),
			issuerFlag(),
			address,
			text("tenant", "default", "whose sessions the administrator may see and end"),
			text("user", "admin", "the administrator's id"),
			text("name", "", "what people call the administrator (default: what they were called before, or the id)"),
		},
		Action: printAdminLink,
	}
}

func printAdminLink(_ context.Context, cmd *cli.Command) error {
	// Opening a keyring makes one, and no posse would know its keys.
	if _, err := os.Stat(cmd.String("keys")); err != nil {
		return fmt.Errorf("there are no keys: %w; --keys names the directory that a posse made", err)
	}
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: cmd.String("keys")})
	if err != nil {
		return err
	}
	issuer := &token.Issuer{Keyring: keyring, Issuer: cmd.String("issuer")}
	who := administrator(cmd.String("tenant"), cmd.String("user"), cmd.String("name"))
	link, err := signInLink(issuer, cmp.Or(cmd.String("url"), defaultScreen), who)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.Root().Writer, link)
	return err
}

// signInLink returns the address of a page that signs somebody in to the screen,
// whose URL is given.
func signInLink(issuer *token.Issuer, screen string, who token.Link) (string, error) {
	address, err := screenURL(screen)
	if err != nil {
		return "", err
	}
	minted, err := issuer.MintLink(who)
	if err != nil {
		return "", err
	}
	address.Path, address.RawQuery = signin.PathSignIn, url.Values{"link": {minted}}.Encode()
	return address.String(), nil
}

// screenURL reads the URL of a screen, which is at the root of its host.
func screenURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	isRoot := err == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
	if !isRoot || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%q is not the URL of a screen, such as https://posse.example", text)
	}
	return u, nil
}
