// Package gateway is the gateway as a process: one decision, made by the SDK in
// pkg/gateway, behind every front door. Other proxies ask before they pass a request
// on: 200 with X-Session-Id, X-User-Id and X-Tenant-Id admits, and 401 and 503 carry
// the answer for the client. A door has of its own how a proxy tells what its client
// asked for, and how it understands a refusal:
//
//   - /authz/forward-auth, for Traefik, Caddy and APISIX, is told in X-Forwarded-Uri.
//   - /authz/auth-request, for nginx, is told in X-Original-Uri. nginx knows 401 and
//     403 only and reads no body, so that 403 stands for 503, and X-Posse-Problem
//     holds the problem document.
//   - /authz/ext-authz/*, for Envoy over HTTP, is told by the path that follows.
//   - Envoy's ext_authz over gRPC is a listener of its own.
//   - A reverse proxy in front of one upstream asks nobody. It passes bodies as they
//     come, and protocol upgrades such as WebSocket.
//
// When a session is revoked, the proxy ends its upgraded connections and its
// answers of unknown length, such as event streams: they may last for days, and
// the next request of a till may be a message on one. An ordinary request that was
// admitted before is left to finish.
//
// A service is built on the SDK and on nothing else of posse, as a vendor's would
// be.
package gateway
