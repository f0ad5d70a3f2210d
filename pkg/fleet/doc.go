// Package fleet knows the running gateways by what they report of themselves on
// core NATS, and how far each one's deny-set has come. It answers the question
// behind "7 of 8 gateways confirmed, slowest 12 ms".
//
// A gateway's life, as the tracker sees it:
//
//	(unknown) ──report──▶ reporting ──no answer to roll calls for ForgetAfter──▶ (forgotten)
//	                          └───────────last report, Leaving set─────────────▶ (forgotten)
//
// Whoever wants to know calls the roll. Gateways answer, and for a while report each
// revocation that they apply; otherwise they report seldom, for a thousand of them
// would cost the bus more than their tills' activity.
//
// One that has fallen silent or cannot hear the relay is still counted, and is
// named as missing, until it is forgotten: whether it refuses what was revoked
// is not known. Reports are claims; who may publish on which gateway's subject
// is for the permissions of NATS to say. Nothing here decides about access.
package fleet
