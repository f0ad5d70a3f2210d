package tokens_test

import (
	"errors"
	"fmt"

	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

func ExampleVerifier_Verify() {
	issuer := gatewaytest.NewIssuer()
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset: tokens.Posse,
		Issuer: gatewaytest.Name,
		JWKS:   issuer.JWKS(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer verifier.Close()

	claims, err := verifier.Verify(issuer.Token("shop", "anna", "session-1", "cashier"))
	fmt.Println(claims.Tenant, claims.User, claims.Session, claims.Roles, err)

	_, err = verifier.Verify("not a token")
	fmt.Println(errors.Is(err, tokens.ErrMalformed), err)
	// Output:
	// shop anna session-1 [cashier] <nil>
	// true tokens: malformed token
}

// Tokens of another issuer have their claims where that issuer puts them.
func ExampleConfig() {
	_, err := tokens.NewVerifier(tokens.Config{
		Issuer:     "https://idp.example/realms/shop",
		Audience:   "pos",
		Algorithms: []string{"RS256"},
		JWKSURL:    "idp.example/certs",
		Claims:     tokens.ClaimPaths{Tenant: "realm", User: "sub", Session: "sid", Roles: "realm_access.roles"},
	})
	fmt.Println(err)
	// Output: tokens: invalid configuration: JWKSURL "idp.example/certs" is no http or https URL
}
