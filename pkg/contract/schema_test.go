package contract_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/posse-pos/posse/events"
)

const schemaDir = "../../events/schemas"

// form is one message of the contract: its name, which is its schema's too, and
// the Go type that carries it.
type form struct {
	name string
	full any // every field set
	bare any // only what every message has
}

// forms lists what may be on the wire. Versions stay in it for ever.
func forms() []form {
	key := events.Key{Tenant: "shop", User: "7", Session: "a4f1"}
	at := events.Timestamp(1_700_000_000_123)
	device := events.DevicePersonal{IP: "192.0.2.7", UserAgent: "WCPOS/1.8.1 (ios; build 231)"}
	// A fact carries one of the two; a form has both, so that each field is seen.
	sealed := events.Sealed{Key: "2026q1-7m2vcq4d", Data: "c2VhbGVk"}
	return []form{
		{
			"session.logged_in.v1",
			events.LoggedIn{
				Key: key, EventTimestamp: at, Created: at, Expires: at, Platform: "ios", AppVersion: "1.8.1", Build: "231",
				Personal: events.LoginPersonal{
					Username: "ana", DisplayName: "Ana", AvatarURL: "https://shop.example/ana.png", DeviceLabel: "Till 3",
					UserAgent: device.UserAgent, ClientHints: map[string]string{"sec-ch-ua-platform": `"iOS"`}, IP: device.IP,
				},
				Sealed: sealed,
			},
			events.LoggedIn{Key: key, EventTimestamp: at, Created: at, Expires: at},
		},
		{
			"session.refreshed.v1",
			events.Refreshed{Key: key, EventTimestamp: at, Expires: at, Generation: 4, Personal: device, Sealed: sealed},
			events.Refreshed{Key: key, EventTimestamp: at, Expires: at},
		},
		{
			"session.touched.v1",
			events.Touched{Key: key, EventTimestamp: at, Personal: device},
			events.Touched{Key: key, EventTimestamp: at},
		},
		{
			"session.revoked.v1",
			events.Revoked{
				Key: key, EventTimestamp: at, Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin, Expires: at,
				Actor: events.Actor{User: "1", Session: "b7"}, CommandID: "c0ffee",
				Personal: events.RevokedPersonal{ActorIP: "192.0.2.1", ReasonAdmin: "lost tablet", ReasonUser: "Please sign in again."},
				Sealed:   sealed,
			},
			events.Revoked{Key: key, EventTimestamp: at, Cause: events.CauseIdle, InitiatingEntity: events.InitiatedByPolicy, Expires: at},
		},
		{
			"user.forgotten.v1",
			events.Forgotten{
				Tenant: "shop", User: "7", EventTimestamp: at, InitiatingEntity: events.InitiatedByAdmin,
				Actor: events.Actor{User: "1", Session: "b7"}, CommandID: "c0ffee", Keys: []string{sealed.Key},
			},
			events.Forgotten{Tenant: "shop", User: "7", EventTimestamp: at, InitiatingEntity: events.InitiatedByAdmin},
		},
		{
			"audit.read.v1",
			events.AuditRead{
				Tenant: "shop", EventTimestamp: at, Via: events.ViaAPI, Kind: "auditor",
				Actor: events.AuditReader{User: "9", Session: "c8", Key: "bk-1"},
				Filter: events.AuditFilter{
					Since: "2026-03-01T00:00:00Z", Until: "2026-03-14T09:26:53.589Z", FromSeq: 7, AtEnd: true, User: "7", Session: "a4f1",
					Types: []string{"session.revoked"}, Cause: "terminate", Actor: "1", Limit: 100,
				},
				Format: "ndjson", Follow: true,
				Personal: events.AuditReadPersonal{ActorIP: "192.0.2.1", OSUser: "ana", Host: "desk"},
			},
			events.AuditRead{EventTimestamp: at, Via: events.ViaCLI, Kind: "operator", Format: "table"},
		},
		{
			"retention.swept.v1",
			events.RetentionSwept{Tenant: "shop", EventTimestamp: at, Before: at, Sessions: 12, Keys: 3},
			events.RetentionSwept{Tenant: "shop", EventTimestamp: at, Before: at},
		},
		{
			"revocation.v1",
			events.Revocation{Tenant: "shop", Session: "a4f1", Expires: at, Cause: events.CauseTerminate, Sequence: 9, Previous: 4},
			events.Revocation{Tenant: "shop", Session: "a4f1", Expires: at, Cause: events.CauseCap, Sequence: 1},
		},
		{
			"tick.v1",
			events.Tick{Sequence: 9, AsOf: at, Written: at, StreamCreated: at, Relay: "projector-1", Epoch: "4XQ"},
			events.Tick{AsOf: at, Written: at, StreamCreated: at},
		},
		{
			"gateway_status.v1",
			events.GatewayStatus{Gateway: "g1", Name: "north", Tenant: "shop", Applied: 9, At: at, Stale: true, Entries: 3, Interval: 2.5, Leaving: true},
			events.GatewayStatus{Gateway: "g1", At: at, Interval: 5},
		},
		{
			"changed.v1",
			events.Changed{Tenant: "shop", Source: "run", Number: 5, Users: []string{"7"}, All: true, Position: 9, Touches: 3},
			events.Changed{Tenant: "shop", Source: "run"},
		},
	}
}

// schemaNames returns the names of the schema files, without what they share.
func schemaNames(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no schemas in %s: %v", schemaDir, err)
	}
	var names []string
	for _, path := range paths {
		if name := strings.TrimSuffix(filepath.Base(path), ".json"); name != "common" {
			names = append(names, name)
		}
	}
	return names
}

// compile returns the schema of a form, ready to validate.
func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	for _, file := range append(schemaNames(t), "common") {
		document := node{file + ".json", "", readJSON(t, filepath.Join(schemaDir, file+".json"))}
		id, _ := document.object(t)["$id"].(string)
		if !strings.HasSuffix(id, "/"+document.file) {
			t.Fatalf("%s: $id %q does not end with the file's name", document.file, id)
		}
		if err := compiler.AddResource(id, document.value); err != nil {
			t.Fatalf("%s: %v", document.file, err)
		}
	}
	schema, err := compiler.Compile("https://github.com/posse-pos/posse/events/schemas/" + name + ".json")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return schema
}

func readJSON(t *testing.T, path string) any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseJSON(t, data)
}

func parseJSON(t *testing.T, data []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatalf("%.200s: %v", data, err)
	}
	return value
}

func TestEveryFormHasASchemaAndEverySchemaAForm(t *testing.T) {
	t.Parallel()
	var names []string
	for _, form := range forms() {
		names = append(names, form.name)
	}
	wantSame(t, "schemas", schemaNames(t), names)
}

func TestWhatGoWritesIsValid(t *testing.T) {
	t.Parallel()
	for _, form := range forms() {
		schema := compile(t, form.name)
		for _, value := range []any{form.full, form.bare} {
			data, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(parseJSON(t, data)); err != nil {
				t.Errorf("%s: %s\n%v", form.name, data, err)
			}
		}
	}
}
