package memstore_test

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions/activesessionstest"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
)

func TestStore(t *testing.T) {
	t.Parallel()
	activesessionstest.Run(t, func(_ *testing.T, now func() time.Time) activesessionstest.Store {
		return memstore.New(memstore.Config{Now: now})
	})
}
