package main

import (
	"cmp"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/recorder/introspection"
)

// foreignTokenFlags say which tokens of another issuer are good.
func foreignTokenFlags() []cli.Flag {
	return []cli.Flag{
		text("jwks", "", "URL of the keys that sign the tokens, such as https://posse.example/.well-known/jwks.json"),
		secret("shared-secret", "key of HS256 tokens, at least 32 bytes, instead of --jwks"),
		text("token-preset", "posse", "whose tokens they are: posse or wcpos"),
		text("audience", "", "what the claim aud of a token has to contain; anything if empty"),
	}
}

// tokenIssuerFlag is for roles that mint tokens with a claim iss of their own.
func tokenIssuerFlag() cli.Flag {
	return text("token-issuer", "", "with --jwks or --shared-secret: what the claim iss of those tokens has to be")
}

// newIntrospection answers what tokens are worth: posse's own, and those of the
// issuer that a verifier is for, unless it is nil.
func (n *node) newIntrospection(
	id *identity, foreign *tokens.Verifier, sessions *gateway.Gateway, ender commands.Ender,
) (*introspection.Service, error) {
	read := []introspection.ReadFunc{introspection.Own(&token.Issuer{Keyring: id.keyring, Issuer: n.cmd.String("issuer")})}
	if foreign != nil {
		read = append(read, introspection.Foreign(n.foreignIssuer(), foreign))
	}
	service, err := introspection.New(introspection.Config{Tokens: read, Sessions: sessions, Ender: ender})
	if err != nil {
		return nil, fmt.Errorf("posse: %w", err)
	}
	return service, nil
}

// foreignIssuer is what the claim iss of another issuer's tokens has to be.
func (n *node) foreignIssuer() string {
	return cmp.Or(n.cmd.String("token-issuer"), n.cmd.String("issuer"))
}
