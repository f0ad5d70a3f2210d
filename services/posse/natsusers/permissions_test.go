package natsusers_test

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/pkg/natstest"
)

// Users of accounts.conf. STORE is a server: TestAStoreMayDoNothingElse has it.
var users = []string{"recorder", "projector", "query", "gateway", "gateway_shop", "auditor", "auditor_shop", "operator", "system"}

// only are the users who may, or nobody.
func only(who ...string) []string { return who }

// publishes says, of what somebody could publish, who may: all others must not.
var publishes = map[string][]string{
	// The history, and what is derived from it.
	"pos.v1.session.shop.ann":           only("recorder"),
	"pos.v1.revocation.shop":            only("projector"),
	"pos.v1.tick":                       only("projector"),
	"pos.v1.changed.shop":               only("projector"),
	"pos.v1.quarantine.POS_SESSIONS":    only("projector"),
	"pos.v1.quarantine.POS_REVOCATIONS": only(),
	"$KV.POSSE_IDEMPOTENCY.key":         only("recorder"),
	"pos.v1.audit.shop":                 only("projector", "auditor"),
	"pos.v1.audit.=":                    only("projector", "auditor"),
	"pos.v1.mirror.store.M.x":           only(),

	// Activity and status.
	"pos.v1.touch.shop.ann.till-1":  only("recorder", "gateway", "gateway_shop"),
	"pos.v1.touch.other.ann.till-1": only("recorder", "gateway"),
	"pos.v1.gateway.g1":             only("gateway", "gateway_shop"),
	"pos.v1.rollcall":               only("recorder", "query"),

	// How full the servers' storage is.
	"pos.v1.storage":             only("recorder"),
	"$SYS.REQ.SERVER.PING.JSZ":   only("system"),
	"$SYS.REQ.SERVER.PING.VARZ":  only("system"),
	"$SYS.REQ.ACCOUNT.POSSE.JSZ": only("system"),

	// What the server repeats.
	"pos.v1.live.revocation.shop": only(),
	"pos.v1.live.tick":            only(),

	// Commands, and whoever answers them.
	"pos.v1.command.login":          only("query"),
	"pos.v1.command.end_session":    only("query"),
	"pos.v1.command.end_user":       only("query"),
	"pos.v1.command.forget_user":    only("query"),
	"pos.v1.command.refresh":        only(),
	"pos.v1.command.record_refresh": only(),
	"pos.v1.command.touch":          only(),
	"$SRV.PING":                     only("operator"),
	"_INBOX.x.y":                    only(),

	// Reading streams.
	"$JS.API.STREAM.MSG.GET.POS_SESSIONS":                               only("recorder", "projector", "auditor", "operator"),
	"$JS.API.DIRECT.GET.POS_SESSIONS":                                   only("recorder", "projector", "auditor", "operator"),
	"$JS.API.DIRECT.GET.POS_SESSIONS.pos.v1.session.shop.ann":           only("operator"),
	"$JS.API.CONSUMER.CREATE.POS_SESSIONS":                              only("operator"),
	"$JS.API.CONSUMER.CREATE.POS_SESSIONS.c":                            only("projector", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_SESSIONS.c.pos.v1.session.>":           only("operator"),
	"$JS.API.CONSUMER.DURABLE.CREATE.POS_SESSIONS.c":                    only("operator"),
	"$JS.API.CONSUMER.MSG.NEXT.POS_SESSIONS.c":                          only("projector", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_SESSIONS.audit":                        only("projector", "operator"),
	"$JS.API.CONSUMER.DURABLE.CREATE.POS_SESSIONS.audit":                only("operator"),
	"$JS.API.CONSUMER.INFO.POS_SESSIONS.audit":                          only("auditor", "operator"),
	"$JS.API.CONSUMER.MSG.NEXT.POS_SESSIONS.audit":                      only("projector", "auditor", "operator"),
	"$JS.API.CONSUMER.RESET.POS_SESSIONS.audit":                         only("auditor", "operator"),
	"$JS.API.CONSUMER.DELETE.POS_SESSIONS.audit":                        only("projector", "operator"),
	"$JS.ACK.POS_SESSIONS.audit.1.1.1.1.0":                              only("auditor", "operator"),
	"$JS.API.CONSUMER.INFO.POS_SESSIONS.audit_shop":                     only("auditor_shop", "operator"),
	"$JS.API.CONSUMER.MSG.NEXT.POS_SESSIONS.audit_shop":                 only("projector", "auditor_shop", "operator"),
	"$JS.API.CONSUMER.RESET.POS_SESSIONS.audit_shop":                    only("auditor_shop", "operator"),
	"$JS.ACK.POS_SESSIONS.audit_shop.1.1.1.1.0":                         only("auditor_shop", "operator"),
	"$JS.API.STREAM.MSG.GET.POS_TOUCHES":                                only("recorder", "projector", "auditor", "operator"),
	"$JS.API.DIRECT.GET.POS_TOUCHES":                                    only("operator"),
	"$JS.API.CONSUMER.CREATE.POS_TOUCHES.c":                             only("projector", "operator"),
	"$JS.API.STREAM.MSG.GET.POS_REVOCATIONS":                            only("recorder", "projector", "query", "gateway", "gateway_shop", "auditor", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.c":                         only("gateway", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.shop":  only("recorder", "query", "gateway", "gateway_shop", "auditor", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.other": only("recorder", "query", "gateway", "auditor", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.*":     only("recorder", "query", "gateway", "auditor", "operator"),
	"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.tick":             only("operator"),
	"$JS.API.CONSUMER.DURABLE.CREATE.POS_REVOCATIONS.c":                 only("operator"),
	"$JS.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.c":                       only("recorder", "query", "gateway", "gateway_shop", "auditor", "operator"),
	"$JS.API.CONSUMER.DELETE.POS_REVOCATIONS.c":                         only("recorder", "query", "gateway", "gateway_shop", "auditor", "operator"),
	"$JS.API.CONSUMER.MSG.NEXT.POS_QUARANTINE.c":                        only("operator"),
	"$JS.API.STREAM.INFO.POS_REVOCATIONS":                               only("recorder", "query", "gateway", "gateway_shop", "auditor", "operator"),
	"$JS.API.STREAM.INFO.POS_SESSIONS":                                  only("recorder", "projector", "auditor", "operator"),
	"$JS.API.STREAM.INFO.POS_AUDIT":                                     only("recorder", "auditor", "operator"),
	"$JS.API.STREAM.MSG.GET.POS_AUDIT":                                  only("auditor", "operator"),
	"$JS.API.DIRECT.GET.POS_AUDIT":                                      only("auditor", "operator"),
	"$JS.API.DIRECT.GET.POS_AUDIT.pos.v1.audit.shop":                    only("operator"),
	"$JS.API.CONSUMER.CREATE.POS_AUDIT.c":                               only("operator"),
	"$JS.API.STREAM.NAMES":                                              only("operator"),
	"$JS.API.STREAM.SNAPSHOT.POS_SESSIONS":                              only("operator"),
	"$JS.API.CONSUMER.NAMES.POS_SESSIONS":                               only("operator"),
	"$JS.API.DIRECT.GET.KV_POSSE_IDEMPOTENCY.$KV.POSSE_IDEMPOTENCY.key": only("recorder", "operator"),

	// The keys of what facts say about people.
	"$KV.POS_KEYS.shop.2026q1.ann":                           only("recorder"),
	"$JS.API.STREAM.INFO.KV_POS_KEYS":                        only("recorder", "projector", "operator"),
	"$JS.API.STREAM.MSG.GET.KV_POS_KEYS":                     only("recorder", "projector", "auditor", "operator"),
	"$JS.API.DIRECT.GET.KV_POS_KEYS":                         only("recorder", "projector", "auditor", "operator"),
	"$JS.API.DIRECT.GET.KV_POS_KEYS.$KV.POS_KEYS.shop.q.ann": only("operator"),
	"$JS.API.CONSUMER.CREATE.KV_POS_KEYS.c":                  only("operator"),
	"$JS.API.STREAM.MSG.DELETE.KV_POS_KEYS":                  only("recorder", "projector", "operator"),
	"$JS.API.STREAM.MSG.DELETE.POS_TOUCHES":                  only("recorder", "projector", "operator"),
	"$JS.API.STREAM.CREATE.KV_POS_KEYS":                      only("recorder", "operator"),
	"$JS.API.STREAM.PURGE.KV_POS_KEYS":                       only("operator"),

	// Making, changing and removing streams.
	"$JS.API.STREAM.CREATE.POS_SESSIONS":     only("recorder", "operator"),
	"$JS.API.STREAM.CREATE.POS_AUDIT":        only("recorder", "operator"),
	"$JS.API.STREAM.UPDATE.POS_AUDIT":        only("operator"),
	"$JS.API.STREAM.PURGE.POS_AUDIT":         only("operator"),
	"$JS.API.STREAM.MSG.DELETE.POS_AUDIT":    only("operator"),
	"$JS.API.STREAM.DELETE.POS_AUDIT":        only("operator"),
	"$JS.API.STREAM.CREATE.ELSE":             only("operator"),
	"$JS.API.STREAM.UPDATE.POS_SESSIONS":     only("operator"),
	"$JS.API.STREAM.PURGE.POS_SESSIONS":      only("operator"),
	"$JS.API.STREAM.PURGE.POS_REVOCATIONS":   only("operator"),
	"$JS.API.STREAM.MSG.DELETE.POS_SESSIONS": only("operator"),
	"$JS.API.STREAM.DELETE.POS_SESSIONS":     only("operator"),
	"$JS.API.STREAM.DELETE.POS_REVOCATIONS":  only("operator"),
	"$JS.API.STREAM.UPDATE.POS_REVOCATIONS":  only("operator"),
	"$JS.API.STREAM.RESTORE.POS_SESSIONS":    only("operator"),
	"$SYS.REQ.SERVER.PING":                   only("system"),
}

// hears says who may listen to what.
var hears = map[string][]string{
	">":                       only(),
	"pos.v1.>":                only(),
	"pos.v1.session.>":        only(),
	"pos.v1.session.shop.*":   only(),
	"pos.v1.touch.>":          only(),
	"pos.v1.revocation.*":     only(),
	"pos.v1.tick":             only(),
	"pos.v1.audit.*":          only(),
	"pos.v1.mirror.store.>":   only(),
	"pos.v1.command.*":        only("recorder"),
	"pos.v1.command.end_user": only("recorder"),
	"pos.v1.changed.*":        only("query"),
	"pos.v1.gateway.*":        only("recorder", "query"),
	"pos.v1.rollcall":         only("gateway", "gateway_shop"),
	"pos.v1.storage":          only(),

	"pos.v1.live.>":                only("recorder", "query", "gateway", "auditor"),
	"pos.v1.live.tick":             only("recorder", "query", "gateway", "gateway_shop", "auditor"),
	"pos.v1.live.revocation.*":     only("recorder", "query", "gateway", "auditor"),
	"pos.v1.live.revocation.shop":  only("recorder", "query", "gateway", "gateway_shop", "auditor"),
	"pos.v1.live.revocation.other": only("recorder", "query", "gateway", "auditor"),
	"_INBOX.>":                     only(),
	"$SRV.PING":                    only("recorder"),
	"$JS.API.>":                    only(),
	"$KV.POSSE_IDEMPOTENCY.>":      only(),
	"$KV.POS_KEYS.>":               only(),
	"$JS.EVENT.ADVISORY.API":       only("operator"),
	"$SYS.ACCOUNT.*.CONNECT":       only("system"),
}

// TestEachUserMayDoNothingElse logs in as each user and tries everything.
func TestEachUserMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := s.start("nats.conf")
	s.declare(server.URL())
	inboxes := map[string]string{}
	for _, user := range users {
		inboxes[user] = s.inbox(user)
	}
	for _, user := range users {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			newTrial(t, server.URL(), s.seed(user)).tryAs(user, inboxes)
		})
	}
}

// atHub are subjects of the hub's JetStream, as a store asks for it.
var atHub = []string{
	"$JS.hub.API.STREAM.INFO.POS_REVOCATIONS",
	"$JS.hub.API.STREAM.MSG.GET.POS_REVOCATIONS",
	"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS",
	"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS.c",
	"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.shop",
	"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.other",
	"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.*",
	"$JS.hub.API.CONSUMER.DURABLE.CREATE.POS_REVOCATIONS.c",
	"$JS.hub.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.c",
	"$JS.hub.API.CONSUMER.DELETE.POS_REVOCATIONS.c",
	"$JS.hub.API.STREAM.MSG.GET.POS_SESSIONS",
	"$JS.hub.API.STREAM.INFO.POS_SESSIONS",
	"$JS.hub.API.CONSUMER.MSG.NEXT.POS_SESSIONS.c",
	"$JS.hub.API.STREAM.PURGE.POS_REVOCATIONS",
	"$JS.hub.API.STREAM.DELETE.POS_REVOCATIONS",
}

// TestAStoresGatewayMayDoNothingElse tries everything at the store's server.
func TestAStoresGatewayMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tried := newTrial(t, s.start("leaf.conf", natstest.WithLeafRemote(natstest.FreeAddress(t))).URL(), s.seed("store_gateway"))
	may := []string{
		"pos.v1.touch.shop.ann.till-1", "pos.v1.gateway.g1",
		"$JS.API.STREAM.INFO.POS_REVOCATIONS", "$JS.API.STREAM.MSG.GET.POS_REVOCATIONS",
		"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.shop",
		"$JS.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.c", "$JS.API.CONSUMER.DELETE.POS_REVOCATIONS.c",
		"$JS.hub.API.STREAM.INFO.POS_REVOCATIONS", "$JS.hub.API.STREAM.MSG.GET.POS_REVOCATIONS",
		"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.shop",
		"$JS.hub.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.c", "$JS.hub.API.CONSUMER.DELETE.POS_REVOCATIONS.c",
	}
	for _, subject := range slices.AppendSeq(slices.Clone(atHub), maps.Keys(publishes)) {
		if got := tried.publish(subject); got != slices.Contains(may, subject) {
			t.Errorf("publish on %s: allowed is %t", subject, got)
		}
	}
	may = []string{"pos.v1.live.tick", "pos.v1.live.revocation.shop", "pos.v1.rollcall"}
	for subject := range hears {
		if got := tried.subscribe(subject); got != slices.Contains(may, subject) {
			t.Errorf("listen to %s: allowed is %t", subject, got)
		}
	}
}

// TestAStoreMayDoNothingElse has a store's server ask the hub whatever somebody likes
// who may do everything at the store.
func TestAStoreMayDoNothingElse(t *testing.T) {
	t.Parallel()
	where := newSite(t)
	where.rewrite("leaf.conf", `publish: [ "$JS.API.>", "$JS.hub.API.STREAM.INFO.POS_REVOCATIONS" ]`, `publish: ">"`)
	s := newStoreAt(where)
	conn := s.connect(s.leaf.URL(), "store_operator").JetStream().Conn()
	answers, inbox := make(chan *nats.Msg, 2*len(atHub)), s.inbox("store_operator")+".answers."
	_, err := conn.ChanSubscribe(inbox+"*", answers)
	s.must(err)
	may := []string{
		"$JS.hub.API.STREAM.INFO.POS_REVOCATIONS",
		"$JS.hub.API.STREAM.MSG.GET.POS_REVOCATIONS",
		"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS", // of the mirror
		"$JS.hub.API.CONSUMER.CREATE.POS_REVOCATIONS.c.pos.v1.revocation.shop",
		"$JS.hub.API.CONSUMER.DELETE.POS_REVOCATIONS.c",
	}
	// Those that are not answered go first, so that they would be when the others are.
	mayNot := slices.DeleteFunc(slices.Clone(atHub), func(subject string) bool {
		// A consumer answers that itself, if there is one.
		return slices.Contains(may, subject) || strings.Contains(subject, ".MSG.NEXT.")
	})
	asked := slices.Concat(mayNot, may)
	for i, subject := range asked {
		s.must(conn.PublishRequest(subject, inbox+strconv.Itoa(i), nil))
	}
	answered := map[string]bool{}
	for len(answered) < len(may) {
		answer := <-answers
		if answer.Header.Get("Status") != "" {
			continue // nobody is there, as far as the store may know
		}
		i, err := strconv.Atoi(strings.TrimPrefix(answer.Subject, inbox))
		s.must(err)
		answered[asked[i]] = true
	}
	for _, subject := range asked {
		if answered[subject] != slices.Contains(may, subject) {
			t.Errorf("%s: answered is %t", subject, answered[subject])
		}
	}
}

// trial is a connection that asks the server what it allows.
type trial struct {
	t      *testing.T
	conn   *nats.Conn
	denied chan error
}

func newTrial(t *testing.T, url, seed string) *trial {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	return newTrialBy(t, url, key)
}

// newTrialBy connects with any credentials.
func newTrialBy(t *testing.T, url string, who nats.Option) *trial {
	t.Helper()
	c := &trial{t: t, denied: make(chan error, 1)}
	var err error
	c.conn, err = nats.Connect(url, who, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			c.denied <- err
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.conn.Close)
	return c
}

// tryAs tries everything, and holds what the server allows to what a user may. Inboxes
// are those of all users.
func (c *trial) tryAs(user string, inboxes map[string]string) {
	c.t.Helper()
	for subject, who := range publishes {
		if may := c.publish(subject); may != slices.Contains(who, user) {
			c.t.Errorf("publish on %s: allowed is %t", subject, may)
		}
	}
	for subject, who := range hears {
		if may := c.subscribe(subject); may != slices.Contains(who, user) {
			c.t.Errorf("listen to %s: allowed is %t", subject, may)
		}
	}
	for other, inbox := range inboxes {
		if may := c.subscribe(inbox + ".>"); may != (other == user) {
			c.t.Errorf("listen to the answers of %s: allowed is %t", other, may)
		}
	}
}

// publish sends what nobody acts on: a request without an address for its answer,
// and without a body.
func (c *trial) publish(subject string) (may bool) {
	c.t.Helper()
	if err := c.conn.Publish(subject, nil); err != nil {
		c.t.Fatal(err)
	}
	return c.allowed("Publish", subject)
}

func (c *trial) subscribe(subject string) (may bool) {
	c.t.Helper()
	sub, err := c.conn.SubscribeSync(subject)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	return c.allowed("Subscription", subject)
}

// allowed waits for the server's word: it refuses before it answers the ping behind.
// nats.go calls the handler from another goroutine, but in LastError it is at once, and
// stays there: it may be of the other action on the same subject.
func (c *trial) allowed(action, subject string) bool {
	c.t.Helper()
	if err := c.conn.FlushTimeout(10 * time.Second); err != nil {
		c.t.Fatal(err)
	}
	last := c.conn.LastError()
	if last == nil || !strings.Contains(last.Error(), action+` to "`+subject+`"`) {
		return true
	}
	return !errors.Is(<-c.denied, nats.ErrPermissionViolation)
}
