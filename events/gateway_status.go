package events

// GatewayStatus is what a gateway says about itself on GatewayStatusSubject: in answer
// to a roll call, for a while after one at once when it has applied a revocation, at
// once when it goes stale or becomes fresh, and every few minutes besides.
type GatewayStatus struct {
	// Gateway is the instance's id, unique among running gateways; Name is what
	// its operator calls it.
	Gateway string `json:"gateway"`
	Name    string `json:"name,omitempty"`
	// Tenant is set for a gateway that serves one tenant only.
	Tenant string `json:"tenant,omitempty"`
	// Applied is the sequence of POS_SESSIONS up to which every revocation is in
	// the gateway's deny-set.
	Applied uint64 `json:"applied"`
	// At is the gateway's clock when it sent this.
	At Timestamp `json:"at"`
	// Stale says that the gateway has not heard a tick within its bound.
	Stale bool `json:"stale"`
	// Entries is the size of the deny-set.
	Entries int `json:"entries"`
	// Interval is how often the gateway reports when nothing happens, in
	// seconds; one that is silent for several of them is gone.
	Interval float64 `json:"interval"`
	// Leaving is set in the last report of a gateway that shuts down.
	Leaving bool `json:"leaving,omitempty"`
}
