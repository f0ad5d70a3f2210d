// Package gateway is the gateway as a process: one decision, made by the SDK in
// pkg/gateway, behind two front doors.
//
//   - Forward authentication at /authz/forward-auth, for Traefik, Caddy and others
//     that ask before they pass a request on. 200 with X-Session-Id, X-User-Id and
//     X-Tenant-Id admits; 401 and 503 carry the answer for the client.
//   - A reverse proxy in front of one upstream, which passes bodies as they come,
//     and protocol upgrades such as WebSocket.
//
// When a session is revoked, the proxy ends its upgraded connections and its
// answers of unknown length, such as event streams: they may last for days, and
// the next request of a till may be a message on one. An ordinary request that was
// admitted before is left to finish.
//
// A service is built on the SDK and on nothing else of posse, as a vendor's would
// be.
package gateway
