// Package replay reads the history of all sessions back, in the order of the log,
// and writes it in a form that people and other systems read.
//
// The same query on the same log gives the same bytes: nothing in the output comes
// from a clock, from the machine or from how the log was read. What the log holds
// and posse cannot decode is in the output too.
//
// A page of the log at a time is in memory. The package makes no consumer on the
// server; it needs no right but to read.
package replay
