package natslog

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

const (
	// DefaultTouchMaxAge is how long a session's last activity is kept when
	// Config.TouchMaxAge does not say: longer than sessions usually live.
	DefaultTouchMaxAge = 90 * 24 * time.Hour

	quarantineMaxAge   = 90 * 24 * time.Hour
	quarantineMaxBytes = 64 << 20 // the server reserves it

	// maxLoading is how many gateways load POS_REVOCATIONS at the same time; the
	// others wait their turn.
	maxLoading = 1000

	// maxMessage is a payload of events.MaxPayload and generous headers.
	maxMessage = 32 << 10
	// maxKeyMessage is a key and its headers.
	maxKeyMessage = 1 << 10
	// maxQuarantined is a message of another's making and what is said of it.
	maxQuarantined = 256 << 10
)

// The server keeps every message id of the last so-long in its heap.
const (
	// A command is repeated within seconds, and one that carries an expectation
	// cannot be stored twice anyway.
	sessionsDuplicates = 2 * time.Minute
	// A touch that is stored twice changes nothing, and touches are most of the
	// traffic: their ids are kept for the check of positions, not for this.
	touchesDuplicates = time.Second
	// A relay may lag behind another, or resume from a tick some minutes old.
	revocationsDuplicates = 10 * time.Minute
	// A key is stored under an expectation.
	keysDuplicates = time.Second
	// Every follower that meets a broken message quarantines it.
	quarantineDuplicates = 10 * time.Minute
	// A note is repeated within seconds, when its answer was lost.
	auditDuplicates = 2 * time.Minute
)

// StreamConfigs returns the streams as New declares them, in the form that
// `nats stream add --config` takes as JSON.
func (c Config) StreamConfigs() []jetstream.StreamConfig {
	c = c.withDefaults()
	return []jetstream.StreamConfig{c.sessions(), c.touches(), c.revocations(), c.quarantine(), c.keys(), c.audit()}
}

// sessions is the truth: nothing in it is ever changed, and a full disk refuses
// what is new instead of forgetting what is old.
func (c Config) sessions() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               events.StreamSessions,
		Description:        "posse: who signed in, renewed and signed out; one literal subject per user; the only truth",
		Subjects:           []string{events.SubjectSessions},
		Storage:            jetstream.FileStorage,
		Replicas:           c.Replicas,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		MaxMsgSize:         maxMessage,
		Duplicates:         sessionsDuplicates,
		DenyDelete:         true,
		DenyPurge:          true,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

// touches keeps the newest of each session. On a single server it is written
// behind the caller's back, which the server permits with one replica only: a
// touch may be lost in a power cut. That setting can never be changed on a
// stream that exists.
func (c Config) touches() jetstream.StreamConfig {
	persist := jetstream.DefaultPersistMode
	if c.Replicas == 1 {
		persist = jetstream.AsyncPersistMode
	}
	return jetstream.StreamConfig{
		Name:              events.StreamTouches,
		Description:       "posse: the last activity of each session; one subject per session",
		Subjects:          []string{events.SubjectTouches},
		Storage:           jetstream.FileStorage,
		PersistMode:       persist,
		Replicas:          c.Replicas,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxMsgsPerSubject: 1,
		MaxAge:            c.TouchMaxAge,
		MaxMsgSize:        maxMessage,
		Duplicates:        touchesDuplicates,
		AllowDirect:       true,
	}
}

// revocations prunes itself: each message lives as long as the session that it
// revokes would have. A tick replaces the one before by a roll-up of its
// subject, which the server counts as a purge: so purging cannot be denied.
func (c Config) revocations() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        events.StreamRevocations,
		Description: "posse: what gateways refuse, and the relay's ticks; derived from " + events.StreamSessions,
		Subjects:    []string{events.SubjectRevocations, events.SubjectTick},
		Storage:     jetstream.FileStorage,
		Replicas:    c.Replicas,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgSize:  maxMessage,
		Duplicates:  revocationsDuplicates,
		DenyDelete:  true,
		AllowMsgTTL: true,
		AllowRollup: true,
		AllowDirect: true,
		// So a relay stores a burst before gateways go stale.
		AllowAtomicPublish: true,
		// Gateways hear on core NATS what is stored, and have a consumer only while
		// they load: ten thousand consumers cost a server more than it has.
		RePublish:    &jetstream.RePublish{Source: "pos.v1.>", Destination: events.SubjectLive},
		MaxConsumers: maxLoading,
	}
}

// keys is a key-value bucket as the tools of NATS know them, but for two things: a
// key can be erased from the disk, which a bucket that nats.go makes refuses, and
// none can be overwritten.
func (c Config) keys() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 events.StreamKeys,
		Description:          "posse: the keys of what facts say about people; to lose one is to forget the person",
		Subjects:             []string{events.SubjectKeys},
		Storage:              jetstream.FileStorage,
		Replicas:             c.Replicas,
		Retention:            jetstream.LimitsPolicy,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    1,
		MaxMsgSize:           maxKeyMessage,
		Duplicates:           keysDuplicates,
		DenyPurge:            true,
		AllowDirect:          true,
	}
}

// quarantine holds what is not an event, for people. It is bounded, because
// strangers fill it.
func (c Config) quarantine() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        events.StreamQuarantine,
		Description: "posse: messages of other streams that could not be decoded, and why",
		Subjects:    []string{events.SubjectQuarantine},
		Storage:     jetstream.FileStorage,
		Replicas:    c.Replicas,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      quarantineMaxAge,
		MaxBytes:    quarantineMaxBytes,
		MaxMsgSize:  maxQuarantined,
		Duplicates:  quarantineDuplicates,
		AllowDirect: true,
	}
}

// audit is what was done with the history. Whoever does something with it must not be
// able to forget that, so it is kept like the history itself.
func (c Config) audit() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        events.StreamAudit,
		Description: "posse: who read the history, and what was swept of it; one subject per tenant",
		Subjects:    []string{events.SubjectAudit},
		Storage:     jetstream.FileStorage,
		Replicas:    c.Replicas,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgSize:  maxMessage,
		Duplicates:  auditDuplicates,
		DenyDelete:  true,
		DenyPurge:   true,
		AllowDirect: true,
	}
}
