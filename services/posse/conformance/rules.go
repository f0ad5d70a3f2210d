package conformance

import "slices"

// Rule is one of docs/gateway-contract.md.
type Rule struct {
	// ID is "G1" and so on; Title is what stands behind it in the document.
	ID, Title string
	// Unseen says why the rule cannot be looked at from outside; "" means that it is
	// looked at.
	Unseen string
}

var rules = []Rule{
	{ID: "G1", Title: "Subjects", Unseen: "the tenant's id has to be encoded, so that a gateway without the codec keeps hardly any rule"},
	{ID: "G2", Title: "Fields of a revocation"},
	{ID: "G3", Title: "A revocation that cannot be read"},
	{ID: "G4", Title: "Nobody before the stream was read to its end"},
	{ID: "G5", Title: "Nobody before a live tick"},
	{ID: "G6", Title: "A revoked session is refused within a second"},
	{ID: "G7", Title: "And nobody else"},
	{ID: "G8", Title: "Remembered until the session's own expiry"},
	{ID: "G9", Title: "A flood"},
	{ID: "G10", Title: "Silence makes it stale"},
	{ID: "G11", Title: "Old news stays old"},
	{ID: "G12", Title: "Stale is no reason to sign in again"},
	{ID: "G13", Title: "Who is known to be revoked stays refused"},
	{ID: "G14", Title: "Five seconds after the line is back"},
	{ID: "G15", Title: "A server that restarts"},
	{ID: "G16", Title: "A stream that was made anew"},
	{ID: "G17", Title: "A log that was made anew", Unseen: "only positions begin anew, and nobody is admitted or refused for it"},
	{ID: "G18", Title: "Good tokens and others"},
	{ID: "G19", Title: "One tenant"},
	{ID: "G20", Title: "Keys that cannot be had"},
	{ID: "G21", Title: "The form of 401"},
	{ID: "G22", Title: "The form of 503"},
	{ID: "G23", Title: "Who is asking"},
	{ID: "G24", Title: "Connections that are open"},
	{ID: "G25", Title: "Touches"},
	{ID: "G26", Title: "Reports"},
	{ID: "G27", Title: "Permissions"},
}

// Rules returns all rules, in the order of the document.
func Rules() []Rule { return slices.Clone(rules) }
