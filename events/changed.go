package events

// Changed is what the projector announces on ChangedSubject after a commit: the
// read model shows at least Position, and these users are not what they were.
type Changed struct {
	Tenant string `json:"tenant"`
	// Source is the run of a projector that announces this, and Number counts its
	// announcements of all tenants, so that whoever hears them all knows of a lost
	// one.
	Source string `json:"source"`
	Number uint64 `json:"number"`
	// Users are ids, at most MaxChangedUsers; All is set when there were more.
	Users []string `json:"users,omitempty"`
	All   bool     `json:"all,omitempty"`
	// Position is the sequence of POS_SESSIONS that the read model shows, and
	// Touches that of POS_TOUCHES.
	Position uint64 `json:"position"`
	Touches  uint64 `json:"touches"`
}

// MaxChangedUsers is how many users one announcement names.
const MaxChangedUsers = 256
