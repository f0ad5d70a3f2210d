package conformance

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
)

func playTokens(ctx context.Context, x *examination) error {
	bad, err := x.people.badTokens()
	if err != nil {
		return err
	}
	requests := map[string]string{"no token": "", "another scheme": "Basic YTpi", "an empty token": "Bearer "}
	for what, jwt := range bad {
		requests[what] = "Bearer " + jwt
	}
	var wrong []string
	for what, authorization := range requests {
		reason := map[string]gateway.Reason{"no token": gateway.ReasonMissing, "expired": gateway.ReasonExpired}[what]
		a := x.settled(ctx, func(ctx context.Context) answer { return x.seen(x.ask(ctx, authorization, nil), reason) })
		if !a.refused() {
			wrong = append(wrong, fmt.Sprintf("%s is answered %s", what, a))
		}
	}
	if wrong != nil {
		return fmt.Errorf("want 401: %s", strings.Join(wrong, "; "))
	}
	x.judge("G18", nil, fmt.Sprintf("%d bad ones", len(requests)))
	return nil
}

func playTenant(ctx context.Context, x *examination) error {
	if x.config.leavesOut(PartTenant) {
		return leftOut("it serves all tenants")
	}
	key := x.people.newKey(user)
	key.Tenant = foreignTenant
	all, err := x.signIn(ctx, key)
	if err != nil {
		return err
	}
	if a := x.decided(ctx, all[0]); !a.refused() {
		return fmt.Errorf("a good token of another tenant is answered %s, want 401", a)
	}
	x.judge("G19", nil)
	return nil
}

func playIdentity(ctx context.Context, x *examination) error {
	if x.config.leavesOut(PartIdentity) {
		return leftOut("it does not say who is asking")
	}
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	forged := http.Header{}
	for _, name := range identityHeaders {
		forged.Set(name, "somebody-else")
	}
	a := x.settled(ctx, func(ctx context.Context) answer { return x.ask(ctx, "Bearer "+who.token, forged) })
	if !a.admitted() {
		return fmt.Errorf("a good token is answered %s", a)
	}
	if err := identityFault(a, who); err != nil {
		return err
	}
	x.judge("G23", nil)
	return nil
}

// playKeys signs with a key that is new, while the issuer does not answer.
func playKeys(ctx context.Context, x *examination) error {
	old, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	x.web.showKeys(false)
	// A gateway may have asked for the keys a moment ago, and asks again no sooner
	// than a second later.
	if err := pause(ctx, watchFor); err != nil {
		return err
	}
	if _, err := x.people.keyring.Rotate(time.Now()); err != nil {
		return err
	}
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	if a := x.asked(ctx, who); a.status != http.StatusServiceUnavailable {
		return fmt.Errorf("a token's key is not known and the issuer does not answer: the answer is %s, want 503", a)
	}
	if a := x.decided(ctx, old); !a.admitted() {
		return fmt.Errorf("the issuer does not answer, and a token whose key is known is answered %s", a)
	}
	x.web.showKeys(true)
	took, err := x.until(ctx, who, healedWithin, "want the new key's token admitted", answer.admitted)
	x.judge("G20", err, "the new key is known after "+round(took))
	return nil
}
