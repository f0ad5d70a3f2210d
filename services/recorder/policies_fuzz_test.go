package recorder_test

import (
	"errors"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/services/recorder"
)

// FuzzParsePolicies holds that a file of policies is refused by name or gives every
// tenant bounds that a recorder can keep, and is read alike each time.
func FuzzParsePolicies(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"default":{"idle_timeout":"30m","absolute_lifetime":"720h","max_sessions":3},"tenants":{"north":{"idle_timeout":"0s"}}}`,
		`{"default":{"max_sessions":-1}}`, `{"default":{"absolute_lifetime":"1s"}}`, `{"tenants":{"":{}}}`, `{"tenants":{"a":{},"a":{"max_sessions":1}}}`,
		`{"default":{"idle_timeout":"2562047h47m16.854775807s"}}`, "{}\n{}", `{"default":null,"tenants":null}`, `{"Default":{}}`, "\xff", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		policies, err := recorder.ParsePolicies(data)
		if err != nil {
			if !errors.Is(err, recorder.ErrPolicies) {
				t.Errorf("error %v is not ErrPolicies", err)
			}
			return
		}
		all := append([]string{"a tenant that is not named"}, keysOf(policies.Tenants)...)
		for _, tenant := range all {
			policy, named := policies.Tenants[tenant]
			if !named {
				policy = policies.Default
			} else if err := events.ValidateID("tenant", tenant); err != nil {
				t.Errorf("a policy of a tenant that cannot be: %v", err)
			}
			if policy.IdleTimeout < 0 || policy.AbsoluteLifetime < 0 || policy.AbsoluteLifetime > 0 && policy.AbsoluteLifetime < time.Minute ||
				policy.MaxSessions < 0 || policy.MaxSessions > events.MaxActiveSessions {
				t.Errorf("%q has the policy %+v", tenant, policy)
			}
		}
	})
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}
