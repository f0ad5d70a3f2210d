package conformance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/token"
)

const (
	// lifetime is that of sessions and of their access tokens: longer than an
	// examination.
	lifetime = 2 * time.Hour
	// foreignTenant is one that the gateway does not serve.
	foreignTenant = "elsewhere"
	// user's id has what cannot stand in a header as it is.
	user = "anna/é 1"
)

// people sign in and out, and have tokens of all kinds.
type people struct {
	tenant  string
	issuer  *token.Issuer
	keyring *token.Keyring
	forger  *token.Issuer // has a key of its own
	made    int
}

// someone is a session.
type someone struct {
	events.Key

	token string
}

func newPeople(dir, tenant string) (*people, error) {
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: dir})
	if err != nil {
		return nil, err
	}
	stolen, err := token.OpenKeyring(token.KeyringConfig{Dir: dir + "-forged"})
	if err != nil {
		return nil, err
	}
	return &people{
		tenant: tenant, keyring: keyring,
		issuer: &token.Issuer{Keyring: keyring, AccessLifetime: lifetime},
		forger: &token.Issuer{Keyring: stolen, AccessLifetime: lifetime},
	}, nil
}

// newKey makes up a session of a user of the tenant.
func (p *people) newKey(user string) events.Key {
	p.made++
	return events.Key{Tenant: p.tenant, User: user, Session: "session-" + strconv.Itoa(p.made)}
}

func mint(issuer *token.Issuer, key events.Key) (token.Pair, error) {
	now := time.Now
	if issuer.Now != nil {
		now = issuer.Now
	}
	return issuer.Mint(token.Grant{Tenant: key.Tenant, User: key.User, Session: key.Session, Expires: now().Add(lifetime)})
}

// signIn writes logins of one user to the log, and returns them with their tokens.
func (w *world) signIn(ctx context.Context, keys ...events.Key) ([]someone, error) {
	all := make([]someone, 0, len(keys))
	for _, key := range keys {
		pair, err := mint(w.people.issuer, key)
		if err != nil {
			return nil, err
		}
		all = append(all, someone{key, pair.Access})
	}
	now := events.TimestampOf(time.Now())
	_, err := appendAll(ctx, w.log, keys, func(key events.Key) events.Event {
		return events.LoggedIn{Key: key, EventTimestamp: now, Created: now, Expires: expiry()}
	})
	return all, err
}

// newcomer signs in.
func (w *world) newcomer(ctx context.Context) (someone, error) {
	all, err := w.signIn(ctx, w.people.newKey(user))
	if err != nil {
		return someone{}, err
	}
	return all[0], nil
}

// revoke ends sessions of one user, and returns the sequence of the last end.
func (w *world) revoke(ctx context.Context, all ...someone) (uint64, error) {
	keys := make([]events.Key, 0, len(all))
	for _, each := range all {
		keys = append(keys, each.Key)
	}
	return appendAll(ctx, w.log, keys, func(key events.Key) events.Event {
		return events.Revoked{
			Key: key, EventTimestamp: events.TimestampOf(time.Now()), Expires: expiry(),
			Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin, CommandID: "conformance",
		}
	})
}

func expiry() events.Timestamp { return events.TimestampOf(time.Now().Add(lifetime)) }

func appendAll(ctx context.Context, log *natslog.Log, keys []events.Key, fact func(events.Key) events.Event) (uint64, error) {
	facts := make([]events.Envelope, 0, len(keys))
	for _, key := range keys {
		event := fact(key)
		facts = append(facts, events.Envelope{
			ID:     string(event.EventType()) + "-" + events.EncodeToken(key.Tenant) + "-" + key.Session,
			Source: "/posse/conformance", Time: time.Now(), Event: event,
		})
	}
	return log.Append(ctx, facts, nil)
}

// badTokens are tokens that are good for nothing, by what is wrong with them.
func (p *people) badTokens() (map[string]string, error) {
	key := p.newKey(user)
	good, err1 := mint(p.issuer, key)
	past := *p.issuer
	past.Now = func() time.Time { return time.Now().Add(-2 * lifetime) }
	expired, err2 := mint(&past, key)
	elsewhere := *p.issuer
	elsewhere.Issuer += ".example"
	misissued, err3 := mint(&elsewhere, key)
	// Keys that were fetched after it was issued cannot lack its key, but because it
	// is none of the issuer's.
	p.forger.Issuer, p.forger.Now = p.issuer.Issuer, func() time.Time { return time.Now().Add(-lifetime / 2) }
	forged, err4 := mint(p.forger, key)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return nil, err
		}
	}
	header, payload, signature := parts(good.Access)
	secret, err := json.Marshal(p.keyring.PublicJWKS().Keys[0])
	if err != nil {
		return nil, fmt.Errorf("conformance: public key: %w", err)
	}
	return map[string]string{
		"garbage":                             "garbage",
		"no signature":                        header + "." + payload + ".",
		"no algorithm":                        encode(`{"alg":"none","typ":"JWT"}`) + "." + payload + ".",
		"another's claims":                    header + "." + encode(`{"sub":"somebody","sid":"s"}`) + "." + signature,
		"the public key as a shared secret":   signHS256(`{"alg":"HS256","typ":"JWT"}`, payload, secret),
		"expired":                             expired.Access,
		"of another issuer":                   misissued.Access,
		"signed with another key":             forged.Access,
		"a refresh token for an access token": good.Refresh,
	}, nil
}

func parts(jwt string) (header, payload, signature string) {
	all := strings.SplitN(jwt, ".", 3)
	return all[0], all[1], all[2]
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func signHS256(header, payload string, secret []byte) string {
	signed := encode(header) + "." + payload
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(signed))
	return signed + "." + encode(string(mac.Sum(nil)))
}
