package pagetoken_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/internal/pagetoken"
)

var now = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, want := range []pagetoken.Token{
		{Version: 1, Issued: now, Place: -5, User: "a"},
		{Version: 1<<64 - 1, Issued: now, Place: 1<<63 - 1, User: strings.Repeat("ü", events.MaxID/2)},
	} {
		q := activesessions.UsersQuery{Tenant: "t", Filter: "f", Now: now}
		q.PageToken = pagetoken.Encode([]byte("secret"), &q, want)
		if len(q.PageToken) > pagetoken.MaxLen {
			t.Errorf("a token has %d bytes, MaxLen is %d", len(q.PageToken), pagetoken.MaxLen)
		}
		got, err := pagetoken.Decode([]byte("secret"), &q)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("token (-want +got):\n%s", diff)
		}
		if _, err := pagetoken.Decode([]byte("another"), &q); !errors.Is(err, activesessions.ErrPageToken) {
			t.Errorf("with another secret: %v, want ErrPageToken", err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	q := activesessions.UsersQuery{Tenant: "t", Now: now}
	f.Add(pagetoken.Encode([]byte("secret"), &q, pagetoken.Token{Version: 7, Issued: now, Place: 9, User: "u"}))
	f.Add("")
	f.Add(strings.Repeat("A", pagetoken.MaxLen))
	f.Fuzz(func(t *testing.T, text string) {
		q := q
		q.PageToken = text
		token, err := pagetoken.Decode([]byte("secret"), &q)
		switch {
		case err != nil && !errors.Is(err, activesessions.ErrPageToken):
			t.Errorf("decode %q: %v does not wrap ErrPageToken", text, err)
		case err == nil && pagetoken.Encode([]byte("secret"), &q, token) != text:
			t.Errorf("%q is read as %+v, which is written otherwise", text, token)
		}
	})
}
