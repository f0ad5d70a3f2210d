package token

// kind is what a token is for. Two places of a token say so, and whoever opens
// one checks both: the claim "type", which gateways look at too, and the header
// "typ", the explicit typing of RFC 8725 §3.11. So no token passes for one of
// another kind, although one key signs them all.
type kind struct {
	claim, header string
}

var (
	accessKind  = kind{"access", "at+jwt"} // RFC 9068 §2.1
	refreshKind = kind{"refresh", "JWT"}
	screenKind  = kind{"screen", "posse-screen+jwt"}
	linkKind    = kind{"link", "posse-link+jwt"}
	requestKind = kind{"auth_request", "posse-auth-request+jwt"}

	kinds = []kind{accessKind, refreshKind, screenKind, linkKind, requestKind}
)
