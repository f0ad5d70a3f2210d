// Package events is the contract of posse: the facts that flow through NATS
// JetStream, the subjects they are published on and the bytes they are made of.
//
// A fact is past tense, immutable and additive. Its payload is JSON; its
// metadata are CloudEvents 1.0 attributes in ce-* headers (binary content mode
// of the CloudEvents NATS protocol binding). The type attribute carries the
// version, session.logged_in.v1, so that a reader chooses a decoder before it
// looks at a payload.
//
// Everything personal in a fact lives in its personal object and nowhere else.
// No token, refresh token or secret is ever part of one.
//
// Decode is total over what it may meet in a stream: a type or version that
// this package does not know comes out whole as [Unknown], and what cannot be a
// posse event at all is an error that wraps [ErrMalformed].
//
// What was done with the history itself, such as reading it, is an [AuditFact] in a
// stream of its own; [DecodeAudit] is as total for it.
//
// The package imports the standard library only and must stay so: it is what a
// stranger's consumer depends on.
package events
