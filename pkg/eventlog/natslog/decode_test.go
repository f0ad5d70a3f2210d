package natslog_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

// FuzzDecodesLikeTheContract holds the log's faster decoder to the contract's: the same
// messages are malformed, and the others say the same.
func FuzzDecodesLikeTheContract(f *testing.F) {
	subject := events.SessionSubject("shop", "ann")
	key := `{"tenant":"shop","user":"ann","session":"s-1",`
	for _, data := range []string{
		"", "null", "[]", "{}", `"x"`, key,
		key + `"event_timestamp":1790000000.123,"created":1790000000,"expires":1790003600,"personal":{"ip":"203.0.113.7","client_hints":{"a":"b"}}}`,
		key + `"generation":18446744073709551615,"Expires":1790003600,"personal":null}`,
		key + `"generation":1e3,"session":"twice","sealed":{"key":"2026q1-a","data":"AA=="}}`,
		key + `"reason_admin":{"en":"lost \ud800"},"cause":"terminate","unknown":[{"deep":[1,2,{}]}]}`,
		key + "\"device\":\"\xff\"}",
	} {
		for _, typ := range []string{"session.logged_in.v1", "session.refreshed.v1", "session.revoked.v1", "user.forgotten.v1"} {
			f.Add(subject, typ, []byte(data))
		}
	}
	f.Fuzz(func(t *testing.T, subject, typ string, data []byte) {
		m := events.Message{Subject: subject, Data: data, Header: map[string][]string{
			events.HeaderSpecVersion: {"1.0"}, events.HeaderID: {"id"}, events.HeaderSource: {"/test"},
			events.HeaderTime: {"2026-01-01T00:00:00Z"}, events.HeaderType: {typ},
		}}
		want, wantErr := events.Decode(m)
		got, err := natslog.Decoder.Decode(m)
		if errors.Is(err, events.ErrMalformed) != errors.Is(wantErr, events.ErrMalformed) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s %s\ngot  %+v, %v\nwant %+v, %v", typ, data, got, err, want, wantErr)
		}
	})
}
