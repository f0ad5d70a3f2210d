package token

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzKeyFile reads what may lie in signing.json: a set of keys that sign and verify,
// or a damaged file that is named, without a private key in the sentence.
func FuzzKeyFile(f *testing.F) {
	for _, alg := range []Algorithm{EdDSA, ES256} {
		first, err := newSigningKey(alg, time.Unix(1773480413, 0))
		if err != nil {
			f.Fatal(err)
		}
		second, err := newSigningKey(alg, time.Unix(1773480400, 0))
		if err != nil {
			f.Fatal(err)
		}
		second.retire = time.Unix(1773490000, 0)
		for _, set := range []keySet{{Keys: []*signingKey{first}}, {Keys: []*signingKey{first, second}}, {Keys: []*signingKey{second, first}}} {
			data, err := encodeFile(set)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(`{"keys":[null]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldA","alg":"HS256"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet("signing.json", data)
		if err != nil {
			wantNoSecret(t, data, err, "d", "k")
			return
		}
		again, err := encodeFile(set)
		if err != nil {
			t.Fatalf("it is read and not written: %v", err)
		}
		back, err := parseKeySet("signing.json", again)
		if err != nil || len(back.Keys) != len(set.Keys) {
			t.Fatalf("%s is written %s and read with %v", data, again, err)
		}
		for i, key := range set.Keys {
			if back.Keys[i].info() != key.info() {
				t.Errorf("key %d is %+v and then %+v", i, key.info(), back.Keys[i].info())
			}
			for _, is := range kinds {
				if _, err := key.signers[is].Sign([]byte("{}")); err != nil {
					t.Errorf("key %d does not sign: %v", i, err)
				}
			}
		}
	})
}

// FuzzBackendFile does the same with backends.json, of which every key can be looked
// up by the id that it has in a caller's.
func FuzzBackendFile(f *testing.F) {
	digest := strings.Repeat("0f", 32)
	f.Add([]byte(`{"keys":[{"id":"0011223344556677","tenant":"shop","sha256":"` + digest + `"}]}`))
	f.Add([]byte(`{"keys":[{"id":"0011223344556677","tenant":"","sha256":"` + digest + `"}]}`))
	f.Add([]byte(`{"keys":[{"id":"x","tenant":"shop","sha256":"zz"}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseBackendSet("backends.json", data)
		if err != nil {
			wantNoSecret(t, data, err) // a digest is none
			return
		}
		for _, key := range set.Keys {
			if found, ok := set.byID[key.ID]; !ok || !isHex(key.ID, idBytes) || found.Tenant == "" {
				t.Errorf("key %q is of tenant %q", key.ID, found.Tenant)
			}
		}
		again, err := encodeFile(set)
		if err != nil {
			t.Fatalf("it is read and not written: %v", err)
		}
		if back, err := parseBackendSet("backends.json", again); err != nil || len(back.byID) != len(set.byID) {
			t.Errorf("%s is written %s and read with %v", data, again, err)
		}
	})
}

// wantNoSecret wants ErrDamagedFile, and none of the values of some members of the
// file's keys in it.
func wantNoSecret(t *testing.T, data []byte, err error, members ...string) {
	t.Helper()
	if !errors.Is(err, ErrDamagedFile) {
		t.Errorf("error %v is not ErrDamagedFile", err)
	}
	var file struct {
		Keys []map[string]any `json:"keys"`
	}
	if json.Unmarshal(data, &file) != nil {
		return
	}
	for _, key := range file.Keys {
		for _, member := range members {
			if secret, ok := key[member].(string); ok && len(secret) > 8 && strings.Contains(err.Error(), secret) {
				t.Errorf("the error has %q in it: %v", member, err)
			}
		}
	}
}
