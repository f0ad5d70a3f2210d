// Package natslog is the log on NATS JetStream: the real implementation of the
// port in pkg/eventlog.
//
// Streams are declared by [New] and compared with what the server has; see
// [StreamConfigs] for their settings and the reason of each.
//
// Writing one fact is a plain publish, writing several an atomic batch (ADR-50
// of NATS). The expectation travels in Nats-Expected-Last-Subject-Sequence on
// the user's literal subject, which the server checks exactly. Both kinds carry
// Nats-Msg-Id, and an append whose outcome is unclear is looked up before it is
// tried again, so repeating one is safe: for ever under an expectation, and
// without one as long as the stream remembers message ids (two minutes).
//
// Following is built on Watermill: [Subscriber] hands out one Watermill message
// per batch (or per fact, with many in flight), [Publisher] waits for the
// stream's acknowledgement, and Follow runs both under a Watermill Router with
// retry, recovery and metrics. Callers see plain Go.
//
// # Permissions
//
// What a connection has to be allowed to publish on, besides subscribing to its
// inbox; S stands for the stream. What New, Open and State lack comes back as
// ErrDenied. deployments/nats/accounts.conf gives each role its part:
//
//	New       $JS.API.STREAM.INFO.*  $JS.API.STREAM.CREATE.*  $JS.API.STREAM.UPDATE.*
//	Open      $JS.API.STREAM.INFO.POS_SESSIONS
//	Append    pos.v1.session.>  $JS.API.STREAM.MSG.GET.POS_SESSIONS
//	          $JS.API.DIRECT.GET.POS_SESSIONS
//	Touch     pos.v1.touch.>
//	User      $JS.API.STREAM.MSG.GET.POS_SESSIONS  $JS.API.DIRECT.GET.POS_SESSIONS
//	LastTouch $JS.API.STREAM.MSG.GET.POS_TOUCHES
//	Read      $JS.API.STREAM.INFO.S  $JS.API.DIRECT.GET.S
//	Scan      $JS.API.STREAM.INFO.POS_SESSIONS  $JS.API.STREAM.MSG.GET.POS_SESSIONS
//	          $JS.API.DIRECT.GET.POS_SESSIONS, and to be about three times as fast
//	          $JS.API.CONSUMER.CREATE.POS_SESSIONS.>
//	          $JS.API.CONSUMER.MSG.NEXT.POS_SESSIONS.*
//	          $JS.API.CONSUMER.DELETE.POS_SESSIONS.*
//	SequenceAt  as Read
//	Stored    $JS.API.DIRECT.GET.S
//	State     $JS.API.STREAM.INFO.S
//	Note      pos.v1.audit.*
//	Notes     $JS.API.STREAM.INFO.POS_AUDIT  $JS.API.STREAM.MSG.GET.POS_AUDIT
//	          $JS.API.DIRECT.GET.POS_AUDIT
//	Follow    $JS.API.STREAM.INFO.S  $JS.API.STREAM.MSG.GET.S
//	          $JS.API.CONSUMER.CREATE.S.*  $JS.API.CONSUMER.MSG.NEXT.S.*
//	          $JS.API.CONSUMER.DELETE.S.*  pos.v1.quarantine.S
//	Mirror    $JS.DOMAIN.API.STREAM.INFO.POS_REVOCATIONS of the hub, and at the store
//	          $JS.API.STREAM.INFO.S  $JS.API.STREAM.CREATE.S  $JS.API.STREAM.DELETE.S
//	          $JS.API.STREAM.UPDATE.S
//	Room      $JS.API.INFO  $JS.API.STREAM.INFO.POS_SESSIONS  pos.v1.storage
//	relay     pos.v1.revocation.*  pos.v1.tick  $JS.API.STREAM.MSG.GET.POS_REVOCATIONS
package natslog
