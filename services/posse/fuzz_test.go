package main

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzMoment holds that a moment which somebody gives in a zone is the one that a clock
// there shows, once, and that the API takes it.
func FuzzMoment(f *testing.F) {
	for _, text := range []string{
		"2026-11-20 14:05", "2026-10-25 02:30", "2026-03-29 02:30:00", "2026-11-20T14:05:00.25+01:00", "0001-01-01T00:00:00Z", "1970-01-01 00:00", "",
	} {
		for zone := range byte(4) {
			f.Add(text, zone)
		}
	}
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Madrid", "Australia/Lord_Howe", "Pacific/Apia"} {
		zone, err := zoneOf(name)
		if err != nil {
			f.Fatal(err)
		}
		zones = append(zones, zone)
	}
	f.Fuzz(func(t *testing.T, text string, which byte) {
		zone := zones[int(which)%len(zones)]
		at, err := parseMoment(text, zone)
		if err != nil {
			return
		}
		written := at.UTC().Format(time.RFC3339Nano)
		if again, err := time.Parse(time.RFC3339Nano, written); err != nil || !again.Equal(at) || at.IsZero() {
			t.Errorf("%q is %v and then %v, %v", text, at, again, err)
		}
		if strings.Contains(text, "T") {
			return
		}
		// Whoever writes what the clock shows says the same.
		shows := func(at time.Time) bool {
			clock := at.In(zone).Format("2006-01-02 15:04:05")
			return clock == text || strings.TrimSuffix(clock, ":00") == text
		}
		if !shows(at) {
			t.Errorf("%q in %s is taken for %v", text, zone, at.In(zone))
		}
		for shift := 15 * time.Minute; shift <= 25*time.Hour; shift += 15 * time.Minute {
			if shows(at.Add(shift)) || shows(at.Add(-shift)) {
				t.Errorf("%q comes twice in %s, also %v from %v", text, zone, shift, at.In(zone))
			}
		}
	})
}

// FuzzNATSContext reads what may lie in a file of the nats tool: what posse does not
// follow is refused, and no secret is in an error.
func FuzzNATSContext(f *testing.F) {
	for _, text := range []string{
		`{"url":"nats://a:4222,b","user":"ann","password":"a secret word"}`, `{"token":"a secret word","socks_proxy":"x"}`,
		`{"nkey":"~/seed","creds":"/c","url":"tls://x"}`, `{"user_jwt":"","nsc":null,"tls_first":false,"domains":[]}`, `{"url":"%"}`, `[]`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"url":"nats://ann:a secret word@x:99999","user":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		context, err := parseNATSContext(data)
		secrets := []string{context.Password, context.Token}
		var settings natsSettings
		if err == nil {
			settings, err = context.settings()
		}
		if err != nil {
			for _, secret := range secrets {
				if len(secret) > 8 && strings.Contains(err.Error(), secret) {
					t.Errorf("the error has a secret: %v", err)
				}
			}
			return
		}
		for address := range strings.SplitSeq(settings.url, ",") {
			if u, err := url.Parse(address); context.User != "" && (err != nil || u.User.Username() != context.User) {
				t.Errorf("%q is to be reached as %q: %v", address, context.User, err)
			}
		}
	})
}

// FuzzPrefix holds that a trusted proxy is an address or a network, and that whoever
// names one address trusts no other.
func FuzzPrefix(f *testing.F) {
	for _, text := range []string{"10.0.0.0/8", "::1", "127.0.0.1", "fe80::1%eth0", "10.0.0.1/33", "0.0.0.0/0", "::ffff:10.0.0.1/104", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prefix, err := parsePrefix(text)
		if err != nil {
			return
		}
		if !prefix.IsValid() {
			t.Fatalf("%q is read as %v", text, prefix)
		}
		if !strings.Contains(text, "/") && !prefix.IsSingleIP() {
			t.Errorf("%q trusts all of %v", text, prefix)
		}
		if again, err := parsePrefix(prefix.String()); err != nil || again != prefix {
			t.Errorf("%q is %v and then %v, %v", text, prefix, again, err)
		}
	})
}

// FuzzBucketAddress holds that a place of checkpoints is a directory, or a bucket and a
// context, neither of them empty.
func FuzzBucketAddress(f *testing.F) {
	for _, text := range []string{"/var/lib/posse", "nats-object-store:B@C", "nats-object-store:@C", "nats-object-store:B@/c@d", "nats-object-store:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, isBucket, err := parseBucketAddress(text)
		switch {
		case !isBucket && (err != nil || address != bucketAddress{} || strings.HasPrefix(text, bucketScheme)):
			t.Errorf("%q is a directory, %+v, %v", text, address, err)
		case isBucket && err == nil && bucketScheme+address.bucket+"@"+address.context != text:
			t.Errorf("%q is read as %+v", text, address)
		case isBucket && err == nil && (address.bucket == "" || address.context == ""):
			t.Errorf("%q has no bucket or no context: %+v", text, address)
		}
	})
}
