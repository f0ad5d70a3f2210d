package contract_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/posse-pos/posse/events"
)

const eventsDir = "../../events"

func asyncAPI(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(eventsDir, "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// at follows a path of names; what is not there fails the test.
func at(t *testing.T, value any, path ...string) map[string]any {
	t.Helper()
	for i, name := range path {
		members, _ := value.(map[string]any)
		if value = members[name]; value == nil {
			t.Fatalf("asyncapi.yaml has no %s", strings.Join(path[:i+1], "/"))
		}
	}
	members, ok := value.(map[string]any)
	if !ok {
		t.Fatalf("asyncapi.yaml: %s is %T, want an object", strings.Join(path, "/"), value)
	}
	return members
}

func TestChannelsAreTheSubjects(t *testing.T) {
	t.Parallel()
	key := events.Key{Tenant: "tenant", User: "user", Session: "session"}
	want := map[string]string{
		"sessions":        events.SessionSubject(key.Tenant, key.User),
		"touches":         events.TouchSubject(key),
		"revocations":     events.RevocationSubject(key.Tenant),
		"tick":            events.SubjectTick,
		"liveRevocations": events.LiveSubject(events.RevocationSubject(key.Tenant)),
		"liveTick":        events.LiveSubject(events.SubjectTick),
		"quarantine":      events.QuarantineSubject("stream"),
		"audit":           events.AuditSubject(key.Tenant),
		"changed":         events.ChangedSubject(key.Tenant),
		"rollCall":        events.SubjectRollCall,
		"gatewayStatus":   events.GatewayStatusSubject("gateway"),
	}
	channels := at(t, asyncAPI(t), "channels")
	wantSame(t, "channels", slices.Collect(maps.Keys(channels)), slices.Collect(maps.Keys(want)))
	for name, subject := range want {
		address, _ := at(t, channels, name)["address"].(string)
		// A parameter that is called like its value stands for itself.
		if got := strings.NewReplacer("{", "", "}", "").Replace(address); got != subject {
			t.Errorf("channel %s has address %q, package events has %q", name, address, subject)
		}
	}
}

func TestChannelsAreTheStreams(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"sessions":    events.StreamSessions,
		"touches":     events.StreamTouches,
		"revocations": events.StreamRevocations,
		"quarantine":  events.StreamQuarantine,
		"audit":       events.StreamAudit,
	}
	for name, stream := range want {
		if got := at(t, asyncAPI(t), "channels", name)["title"]; got != stream {
			t.Errorf("channel %s is titled %q, package events calls the stream %q", name, got, stream)
		}
	}
}

func TestMessagesAreTheForms(t *testing.T) {
	t.Parallel()
	var refs, want []string
	for _, value := range at(t, asyncAPI(t), "components", "messages") {
		message := at(t, value)
		if message["name"] == "rollcall" {
			continue // it has no payload
		}
		if ref, ok := at(t, message, "payload")["$ref"].(string); ok {
			refs = append(refs, message["name"].(string)+" "+ref)
		}
	}
	for _, form := range forms() {
		want = append(want, form.name+" ./schemas/"+form.name+".json")
	}
	wantSame(t, "messages", refs, want)
}

func TestReferencesLeadSomewhere(t *testing.T) {
	t.Parallel()
	document := asyncAPI(t)
	walk(document, func(members map[string]any) {
		ref, ok := members["$ref"].(string)
		if !ok {
			return
		}
		if pointer, local := strings.CutPrefix(ref, "#/"); local {
			at(t, document, strings.Split(pointer, "/")...)
			return
		}
		if _, err := os.Stat(filepath.Join(eventsDir, ref)); err != nil {
			t.Errorf("$ref %q: %v", ref, err)
		}
	})
}

func walk(value any, visit func(map[string]any)) {
	switch value := value.(type) {
	case map[string]any:
		visit(value)
		for _, member := range value {
			walk(member, visit)
		}
	case []any:
		for _, member := range value {
			walk(member, visit)
		}
	}
}

func TestHeadersAreTheEnvelope(t *testing.T) {
	t.Parallel()
	headers := at(t, asyncAPI(t), "components", "messageTraits", "cloudEvent", "headers")
	documented := slices.Collect(maps.Keys(at(t, headers, "properties")))
	for _, form := range forms() {
		message, ok := onTheWire(t, form.full)
		if !ok {
			continue
		}
		wantSame(t, "headers of "+form.name, documented, slices.Collect(maps.Keys(message.Header)))
		types := at(t, headers, "properties", events.HeaderType)["enum"].([]any)
		if got := message.Header[events.HeaderType][0]; got != form.name || !slices.Contains(types, any(got)) {
			t.Errorf("%s is written with %s %q, asyncapi.yaml lists %v", form.name, events.HeaderType, got, types)
		}
	}
}

// onTheWire encodes what is a fact.
func onTheWire(t *testing.T, value any) (message events.Message, isFact bool) {
	t.Helper()
	var err error
	switch fact := value.(type) {
	case events.Event:
		message, err = events.Encode(events.Envelope{ID: "01", Source: "/posse/test", Event: fact})
	case events.AuditFact:
		message, err = events.EncodeAudit(events.AuditEnvelope{ID: "01", Source: "/posse/test", Fact: fact})
	default:
		return message, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return message, true
}
