package natslog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// SettingsError says that streams on the server are not what posse declares.
type SettingsError struct {
	Differences []Difference
}

// Difference is one setting of one stream, in the words of the stream's JSON.
type Difference struct {
	Stream, Setting string
	Have, Want      string // JSON
}

// Error lists every difference and says what to do.
func (e *SettingsError) Error() string {
	var text strings.Builder
	text.WriteString("natslog: streams on the server differ from what posse declares:")
	for _, d := range e.Differences {
		fmt.Fprintf(&text, "\n  %s: %s is %s, want %s", d.Stream, d.Setting, d.Have, d.Want)
	}
	text.WriteString("\nstart once with --update-streams to change them, or change them with `nats stream edit`")
	return text.String()
}

// operatorSettings are left as they are: they do not change what the log does.
var operatorSettings = []string{"description", "metadata", "placement"}

// differences compares settings after giving both the server's defaults.
func differences(have, want jetstream.StreamConfig) []Difference {
	has, wants := settings(have), settings(want)
	var found []Difference
	for _, name := range slices.Sorted(maps.Keys(union(has, wants))) {
		if slices.Contains(operatorSettings, name) || string(has[name]) == string(wants[name]) {
			continue
		}
		found = append(found, Difference{
			Stream: want.Name, Setting: name, Have: display(name, has[name]), Want: display(name, wants[name]),
		})
	}
	return found
}

func settings(config jetstream.StreamConfig) map[string]json.RawMessage {
	text, err := json.Marshal(withServerDefaults(config))
	if err != nil {
		panic("natslog: a stream's settings have no JSON: " + err.Error())
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		panic("natslog: a stream's settings have no JSON: " + err.Error())
	}
	return fields
}

// withServerDefaults does what checkStreamCfg of nats-server 2.15.2 does to the
// settings that are left out.
func withServerDefaults(c jetstream.StreamConfig) jetstream.StreamConfig {
	for _, limit := range []*int64{&c.MaxMsgs, &c.MaxBytes, &c.MaxMsgsPerSubject} {
		if *limit == 0 {
			*limit = -1
		}
	}
	if c.MaxMsgSize == 0 {
		c.MaxMsgSize = -1
	}
	if c.MaxConsumers == 0 {
		c.MaxConsumers = -1
	}
	c.Replicas = max(c.Replicas, 1)
	return c
}

func union(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

// display turns the nanoseconds of the JSON into durations that people read.
func display(name string, value json.RawMessage) string {
	if value == nil {
		return "not set"
	}
	var nanoseconds int64
	switch name {
	case "max_age", "duplicate_window", "subject_delete_marker_ttl":
		if json.Unmarshal(value, &nanoseconds) == nil {
			return time.Duration(nanoseconds).String()
		}
	}
	return string(value)
}
