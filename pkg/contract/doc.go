// Package contract holds the forms of posse's contract together: the Go types
// of package events, the JSON schemas, the frozen bytes of every version ever
// published and the AsyncAPI document, and the compose file that runs it all. It
// also counts what the gateway SDK brings into a vendor's program, and looks up
// every test that the pages on security and compliance name.
// Whoever changes one of them and forgets another finds a failing test here.
//
// The documents lie in another module, whose files the test cache does not
// watch: run the tests with -count=1, as make test in effect does.
//
// The package has tests only. It stands outside the events module because that
// one imports nothing but the standard library, in its tests too.
package contract
