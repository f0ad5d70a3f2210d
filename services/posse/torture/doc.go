// Package torture breaks posse on purpose and looks at what people saw meanwhile.
//
// [Run] starts the real programs as processes: a nats-server with the shipped
// configuration, PostgreSQL, two of each role and three gateways. Clients sign people
// in and out and make requests; a schedule that follows from a seed kills, stops and
// cuts off processes; every call, its answer and both times are written down. When
// all is quiet again, the log and the read model are written down too. All of it lies
// in one directory.
//
// [Check] reads such a directory, and nothing else, and says which of the promises in
// docs/reliability.md it breaks. So a history can be examined again, also by a later
// and stricter examination.
//
// A call that was not answered, or answered with a server's error, has an unknown
// outcome: it may have happened. It is never counted as failed.
package torture
