package contract_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/posse-pos/posse/events"
)

// frozenMessages reads what was published once, by the name of the schema it was
// published under. A file is a subject, headers, an empty line and a payload,
// and is called after the schema and the sample.
func frozenMessages(t *testing.T) map[string][]events.Message {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(eventsDir, "testdata", "wire", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no frozen messages: %v", err)
	}
	messages := make(map[string][]events.Message)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		schema := name[:strings.LastIndexByte(name, '.')]
		messages[schema] = append(messages[schema], readMessage(t, path))
	}
	return messages
}

func readMessage(t *testing.T, path string) events.Message {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, payload, _ := strings.Cut(string(data), "\n\n")
	subject, headers, _ := strings.Cut(head, "\n")
	message := events.Message{Subject: subject, Header: map[string][]string{}, Data: []byte(payload)}
	for line := range strings.Lines(headers) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		message.Header[name] = append(message.Header[name], value)
	}
	return message
}

func TestFrozenMessagesAreValid(t *testing.T) {
	t.Parallel()
	headers := headerSchema(t)
	for name, messages := range frozenMessages(t) {
		if !slices.Contains(schemaNames(t), name) {
			t.Errorf("%s was published and has no schema", name)
			continue
		}
		schema := compile(t, name)
		for _, message := range messages {
			if err := schema.Validate(parseJSON(t, message.Data)); err != nil {
				t.Errorf("payload of %s: %v", name, err)
			}
			if err := headers.Validate(flat(message.Header)); err != nil {
				t.Errorf("headers of %s: %v", name, err)
			}
		}
	}
}

func TestFrozenMessagesDecode(t *testing.T) {
	t.Parallel()
	for name, messages := range frozenMessages(t) {
		for _, message := range messages {
			got, err := decodedType(message)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if typ, _, _ := strings.Cut(name, ".v"); string(got) != typ {
				t.Errorf("%s decodes as %s", name, got)
			}
		}
	}
}

// decodedType is the type of a fact of any stream.
func decodedType(message events.Message) (events.Type, error) {
	if _, err := events.AuditSubjectTenant(message.Subject); err == nil {
		envelope, err := events.DecodeAudit(message)
		if err != nil {
			return "", err
		}
		return envelope.Fact.EventType(), nil
	}
	envelope, err := events.Decode(message)
	if err != nil {
		return "", err
	}
	return envelope.Event.EventType(), nil
}

func TestEveryFactIsFrozen(t *testing.T) {
	t.Parallel()
	frozen := frozenMessages(t)
	for _, form := range forms() {
		if _, fact := onTheWire(t, form.full); fact && len(frozen[form.name]) == 0 {
			t.Errorf("no frozen bytes of %s", form.name)
		}
	}
}

// headerSchema is what asyncapi.yaml says of a fact's headers.
func headerSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	headers := at(t, asyncAPI(t), "components", "messageTraits", "cloudEvent", "headers")
	if err := compiler.AddResource("headers.json", headers); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("headers.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// flat joins the values of a header, as a schema sees it.
func flat(header map[string][]string) map[string]any {
	joined := make(map[string]any, len(header))
	for name, values := range header {
		joined[name] = strings.Join(values, ",")
	}
	return joined
}
