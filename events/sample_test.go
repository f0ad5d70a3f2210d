package events

import (
	"testing"
	"time"
)

var sampleTime = time.Date(2026, 3, 14, 9, 26, 53, 589e6, time.UTC)

// samples are one full and one minimal fact of every type; their bytes on the
// wire are frozen under testdata/wire, one file for each name.
func samples() map[string]Envelope {
	key := Key{Tenant: "shop", User: "42", Session: "0195f1c2-7d1e-7c3a-9f52-6f2f0a9d3b10"}
	foreign := Key{Tenant: "café", User: "anna@example.com", Session: "a b/c.d>*"}
	at := TimestampOf(sampleTime)
	later := TimestampOf(sampleTime.Add(720 * time.Hour))
	envelope := func(id string, e Event) Envelope {
		return Envelope{ID: id, Source: "/posse/recorder", Time: sampleTime, Event: e}
	}
	return map[string]Envelope{
		"session.logged_in.v1.full": envelope("0195f1c2-7d1e-7c3a-9f52-6f2f0a9d3b11", LoggedIn{
			Key: key, EventTimestamp: at, Created: at, Expires: later,
			Platform: "ios", AppVersion: "1.8.1", Build: "231",
			Personal: LoginPersonal{
				Username: "till3", DisplayName: "Till 3 <b>", AvatarURL: "https://shop.example/a.png",
				DeviceLabel: "Counter iPad", UserAgent: "WCPOS/1.8.1 (ios; build 231)",
				ClientHints: map[string]string{"Sec-CH-UA-Platform": `"iOS"`}, IP: "2001:db8::7",
			},
		}),
		"session.logged_in.v1.minimal": envelope("login-2", LoggedIn{
			Key: foreign, EventTimestamp: at, Created: at, Expires: later,
		}),
		"session.refreshed.v1.full": envelope("refresh-1", Refreshed{
			Key: key, EventTimestamp: at, Expires: later, Generation: 7,
			Personal: DevicePersonal{IP: "203.0.113.9", UserAgent: "WCPOS/1.8.2 (ios; build 240)"},
		}),
		"session.refreshed.v1.minimal": envelope("refresh-2", Refreshed{Key: foreign, EventTimestamp: at, Expires: later, Generation: 1}),
		"session.touched.v1.full": envelope("touch-1", Touched{
			Key: key, EventTimestamp: at, Personal: DevicePersonal{IP: "203.0.113.9", UserAgent: "curl/8"},
		}),
		"session.touched.v1.minimal": envelope("touch-2", Touched{Key: foreign, EventTimestamp: at}),
		"session.revoked.v1.full": envelope("revoke-1", Revoked{
			Key: key, EventTimestamp: at, Cause: CauseTerminate, InitiatingEntity: InitiatedByAdmin,
			Actor: Actor{User: "1", Session: "0195f1c2-0000-7000-8000-000000000001"}, Expires: later, CommandID: "cmd-1",
			Personal: RevokedPersonal{ActorIP: "198.51.100.4", ReasonAdmin: "tablet stolen", ReasonUser: "This device was reported lost."},
		}),
		"user.forgotten.v1.full": envelope("forget-1", Forgotten{
			Tenant: "shop", User: "42", EventTimestamp: at, InitiatingEntity: InitiatedByAdmin,
			Actor: Actor{User: "1", Session: "0195f1c2-0000-7000-8000-000000000001"}, CommandID: "cmd-3",
			Keys: []string{sampleKey.ID},
		}),
		"user.forgotten.v1.minimal": envelope("forget-2", Forgotten{
			Tenant: "café", User: "anna@example.com", EventTimestamp: at, InitiatingEntity: InitiatedByAdmin, CommandID: "cmd-4",
		}),
		"session.refreshed.v1.sealed": envelope("refresh-3", Refreshed{
			Key: key, EventTimestamp: at, Expires: later, Generation: 8, Sealed: Sealed{Key: sampleKey.ID, Data: sampleSealed},
		}),
		"session.revoked.v1.minimal": envelope("revoke-2", Revoked{
			Key: foreign, EventTimestamp: at, Cause: CauseIdle, InitiatingEntity: InitiatedByPolicy, Expires: later, CommandID: "cmd-2",
		}),
	}
}

// sampleSealed is sealed under sampleKey in the fact refresh-3.
const sampleSealed = "rWan1e/C0RRRE86qfROh5OxJ4AVwXdTnNe6Vcb25e6fY8Kb9FVmKAvopYSMhwZBH8HsWPQW0lts/BZO9WcFejDfXTZcR5fQY5zGh1Q+rOICh2vK4bpbMVkZE00c="

// auditSamples are the same of POS_AUDIT.
func auditSamples() map[string]AuditEnvelope {
	at := TimestampOf(sampleTime)
	envelope := func(id, source string, f AuditFact) AuditEnvelope {
		return AuditEnvelope{ID: id, Source: source, Time: sampleTime, Fact: f}
	}
	return map[string]AuditEnvelope{
		"audit.read.v1.full": envelope("read-1", "/posse/auditor", AuditRead{
			Tenant: "shop", EventTimestamp: at, Via: ViaAPI, Kind: "auditor",
			Actor: AuditReader{User: "9", Session: "0195f1c2-0000-7000-8000-000000000009", Key: "bk-1"},
			Filter: AuditFilter{
				Since: "2026-03-01T00:00:00Z", Until: "2026-03-14T09:26:53.123456789Z", FromSeq: 7, AtEnd: true, User: "42", Session: "till <3>",
				Types: []string{"session.revoked", "session.logged_in"}, Cause: "terminate", Actor: "1", Limit: 100,
			},
			Format: "ndjson", Follow: true,
			Personal: AuditReadPersonal{ActorIP: "198.51.100.4", OSUser: "ana", Host: "desk.shop.example"},
		}),
		"audit.read.v1.minimal": envelope("read-2", "/posse/audit", AuditRead{
			EventTimestamp: at, Via: ViaCLI, Kind: "operator", Format: "table",
		}),
		"retention.swept.v1.full": envelope("sweep-1", "/posse/projector", RetentionSwept{
			Tenant: "café", EventTimestamp: at, Before: TimestampOf(sampleTime.AddDate(-1, -1, 0)), Sessions: 1200, Keys: 31,
		}),
	}
}

// sampleMessages are all samples on the wire, by name.
func sampleMessages(t *testing.T) map[string]Message {
	t.Helper()
	all := map[string]Message{}
	keep := func(name string, message Message, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = message
	}
	for name, envelope := range samples() {
		message, err := Encode(envelope)
		keep(name, message, err)
	}
	for name, envelope := range auditSamples() {
		message, err := EncodeAudit(envelope)
		keep(name, message, err)
	}
	return all
}

// anySample is the sample of a name, of whichever stream.
func anySample(name string) (envelope any, found bool) {
	if audit, ok := auditSamples()[name]; ok {
		return audit, true
	}
	sample, ok := samples()[name]
	return sample, ok
}
