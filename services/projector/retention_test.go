package projector_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/projector"
)

const days = 24 * time.Hour

func TestRetention(t *testing.T) {
	t.Parallel()
	r, err := projector.ParseRetention("500d", []string{"north=403d", "a=b=9673h"})
	if err != nil {
		t.Fatal(err)
	}
	for tenant, want := range map[string]time.Duration{"north": 403 * days, "a=b": 9673 * time.Hour, "south": 500 * days, "": 500 * days} {
		if got := r.Of(tenant); got != want {
			t.Errorf("%q keeps sessions for %v, want %v", tenant, got, want)
		}
	}
	if r, err = projector.ParseRetention("", nil); err != nil || r.Of("north") != projector.MinRetention {
		t.Errorf("without a word they are kept for %v, %v; want %v", r.Of("north"), err, projector.MinRetention)
	}
}

func TestRetentionThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keep    string
		tenants []string
		want    []string
	}{
		{keep: "402d", want: []string{"402d", "403d (13 months)"}},
		{keep: "0", want: []string{"0d", "403d (13 months)"}},
		{keep: "-500d", want: []string{`"-500d"`}},
		{keep: "99999999999d", want: []string{`"99999999999d"`}},
		{keep: "65535d", want: []string{"65535d", "to 36500d"}},
		{keep: "65536d", want: []string{`"65536d"`}},
		{keep: "a year", want: []string{`"a year"`, `"403d"`}},
		{keep: "1000000h", want: []string{"1000000h", "36500d"}},
		{tenants: []string{"north=9671h59m"}, want: []string{`"north"`, "9671h59m0s", "403d (13 months)"}},
		{tenants: []string{"north"}, want: []string{`"north"`, "TENANT=DURATION"}},
		{tenants: []string{"=500d"}, want: []string{"tenant is empty"}},
		{tenants: []string{"north=500d", "north=600d"}, want: []string{`"north"`, "two"}},
		{tenants: []string{"north="}, want: []string{`"north"`, `""`}},
	} {
		_, err := projector.ParseRetention(c.keep, c.tenants)
		if !errors.Is(err, projector.ErrRetention) {
			t.Errorf("%q %q: %v, want ErrRetention", c.keep, c.tenants, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q %q: %v does not say %s", c.keep, c.tenants, err, want)
			}
		}
	}
}

// FuzzParseRetention holds that what is refused is ErrRetention, and that what is not
// keeps the sessions of every tenant for the 13 months that are the least.
func FuzzParseRetention(f *testing.F) {
	f.Add("500d", "north=403d", "a=b=9673h")
	f.Add("", "", "=")
	f.Add("2562048h", "north=65535d", "north=403d")
	f.Add("0d", "\xff=403d", "north=9672h0.0000000001s")
	f.Fuzz(func(t *testing.T, keep, first, second string) {
		r, err := projector.ParseRetention(keep, []string{first, second})
		if err != nil {
			if !errors.Is(err, projector.ErrRetention) {
				t.Errorf("error %v is not ErrRetention", err)
			}
			return
		}
		for _, tenant := range append(slices.Collect(maps.Keys(r.Tenants)), "somebody else") {
			if of := r.Of(tenant); of < projector.MinRetention || of > 36500*days {
				t.Errorf("%q keeps sessions for %v", tenant, of)
			}
		}
	})
}
