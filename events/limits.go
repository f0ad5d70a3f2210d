package events

// The most that a fact may carry. The recorder refuses more with a problem
// document that names the field; a decoder accepts whatever is in the log.
const (
	MaxPayload     = 16 << 10 // bytes of JSON, before personal data is sealed
	MaxUserAgent   = 512      // bytes
	MaxDisplayName = 256      // bytes
	MaxUsername    = 256      // bytes
	MaxAvatarURL   = 1024     // bytes
	MaxDeviceLabel = 256      // bytes
	MaxReason      = 1024     // bytes
	MaxDeclared    = 64       // bytes of a declared platform, version or build
	MaxClientHints = 16       // entries
	MaxClientHint  = 256      // bytes of a client hint's name or value
	MaxCommandID   = 64       // bytes
	MaxKeyID       = 64       // bytes of the id of a PersonalKey
	MaxAuditTypes  = 16       // entries
	MaxAuditClaim  = 256      // bytes
)

// MaxActiveSessions is how many sessions a user may have at once: as many as
// one JetStream atomic batch can end together (ADR-50 of NATS).
const MaxActiveSessions = 1000
