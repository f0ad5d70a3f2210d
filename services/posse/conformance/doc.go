// Package conformance examines a gateway, whoever wrote it and in whatever
// language, by the contract in docs/gateway-contract.md. It is a posse of its own
// around the gateway: a nats-server, the log, a relay, an issuer whose keys stand at
// a URL, and the line between the gateway and NATS, which it can cut and freeze.
//
// It looks at the gateway from outside only, by the answers of one URL and by what
// the gateway says over NATS. What is not there within [Config.Patience]
// beyond its bound breaks a rule. What is late is tried again, since the machine may be
// busy, and breaks a rule that has a time if it is late each time.
//
// The rules are in rules.go; a test holds them and the document together. A scene
// is something that happens to the gateway, and judges one or several rules. Each
// scene begins with everything in order, and leaves it so.
package conformance
