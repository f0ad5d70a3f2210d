// Package process is what every posse process has around its services: a group
// of components that start in order and stop in reverse, HTTP servers that live
// with streams and upgrades, the admin endpoints (/metrics, /livez, /readyz),
// the announcement of where it listens, and the log.
//
// It knows nothing of sessions and imports no other package of posse.
package process
