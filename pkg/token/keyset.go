package token

import (
	"encoding/json"
	"fmt"
	"time"
)

// keySet is the content of signing.json: exactly one key signs.
type keySet struct {
	Keys []*signingKey `json:"keys"`
}

func (s keySet) find(id string) *signingKey {
	for _, key := range s.Keys {
		if key.jwk.KeyID == id {
			return key
		}
	}
	return nil
}

// rotated returns the set with next in front and without what has retired.
func (s keySet) rotated(next *signingKey, now, retire time.Time) keySet {
	rotated := keySet{Keys: []*signingKey{next}}
	for _, key := range s.Keys {
		old := *key
		if old.retire.IsZero() {
			old.retire = retire
		}
		if old.verifiesAt(now) {
			rotated.Keys = append(rotated.Keys, &old)
		}
	}
	return rotated
}

func (k *signingKey) info() KeyInfo {
	return KeyInfo{ID: k.jwk.KeyID, Algorithm: Algorithm(k.jwk.Algorithm), Created: k.created, Retire: k.retire}
}

// parseKeySet accepts a set whose first key signs and whose others have retired.
func parseKeySet(path string, data []byte) (keySet, error) {
	var set keySet
	if err := json.Unmarshal(data, &set); err != nil {
		return keySet{}, fmt.Errorf("%w: %s: %w: restore it from a backup", ErrDamagedFile, path, err)
	}
	for i, key := range set.Keys {
		if key == nil || key.retire.IsZero() != (i == 0) {
			return keySet{}, fmt.Errorf("%w: %s: the first key has to be the only one without a retire time", ErrDamagedFile, path)
		}
	}
	if len(set.Keys) == 0 {
		return keySet{}, fmt.Errorf("%w: %s has no key: restore it from a backup", ErrDamagedFile, path)
	}
	return set, nil
}

func encodeFile(content any) ([]byte, error) {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("token: encode key file: %w", err)
	}
	return append(data, '\n'), nil
}
