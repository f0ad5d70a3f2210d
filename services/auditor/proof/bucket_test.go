package proof_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// vaultUsers are what docs/operations.md says of the users of a NATS that keeps
// checkpoints. An operator has made the bucket.
const vaultUsers = `
accounts { VAULT { jetstream: enabled, users: [
  { user: operator, password: o, permissions { publish: "$JS.API.>", subscribe: "_INBOX.>" } }
  { user: auditor, password: a, permissions {
      publish: [
        "$JS.API.STREAM.INFO.OBJ_checkpoints"
        "$JS.API.DIRECT.GET.OBJ_checkpoints.$O.checkpoints.M.*"
        "$JS.API.CONSUMER.CREATE.OBJ_checkpoints.*.$O.checkpoints.>"
        "$JS.API.CONSUMER.DELETE.OBJ_checkpoints.*"
        "$O.checkpoints.>"
      ]
      subscribe: "_INBOX.>"
  } }
  { user: verifier, password: v, permissions {
      publish: [
        "$JS.API.STREAM.INFO.OBJ_checkpoints"
        "$JS.API.DIRECT.GET.OBJ_checkpoints.$O.checkpoints.M.*"
        "$JS.API.CONSUMER.CREATE.OBJ_checkpoints.*.$O.checkpoints.>"
        "$JS.API.CONSUMER.DELETE.OBJ_checkpoints.*"
      ]
      subscribe: "_INBOX.>"
  } }
] } }`

func TestABucketNeedsFewPermissions(t *testing.T) {
	t.Parallel()
	address := strings.TrimPrefix(natstest.Start(t, natstest.WithConfig(vaultUsers)).URL(), "nats://")
	placeOf := func(user string) proof.Place {
		conn, err := bus.Connect(t.Context(), bus.Config{URL: "nats://" + user + "@" + address, Name: t.Name(), Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		return proof.NewBucket(conn, "checkpoints")
	}
	if err := placeOf("operator:o").Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	auditor, verifier := placeOf("auditor:a"), placeOf("verifier:v")
	for _, size := range []uint64{1, 2} {
		if err := auditor.Write(t.Context(), size, []byte("signed")); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []proof.Place{auditor, verifier} {
		wantSizes(t, place, 1, 2)
		if signed, err := place.Read(t.Context(), 2); string(signed) != "signed" || err != nil {
			t.Errorf("read %q: %v", signed, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // nobody answers what is refused
	defer cancel()
	if err := verifier.Write(ctx, 3, []byte("forged")); err == nil {
		t.Error("who verifies may write")
	}
	wantSizes(t, auditor, 1, 2)
}
