package main

import (
	"context"
	"net/http"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
	"github.com/posse-pos/posse/services/posse/demo"
)

const (
	// demoTokenLife gives somebody who types along time to read.
	demoTokenLife = 30 * time.Minute
	// demoTouchInterval has "last active" move while one looks.
	demoTouchInterval = 5 * time.Second
	demoKeyLabel      = "demo"
	// demoVisitor is whoever looks at the demo.
	demoVisitor     = "visitor"
	demoVisitorName = "Demo visitor"
)

func demoBackend() http.Handler { return demo.Upstream() }

// renewDemoKey makes the demo's backend key. The plaintext of an earlier one is
// gone, so the key goes too.
func (s *allInOne) renewDemoKey() (err error) {
	for _, key := range s.id.backends.List() {
		if key.Label != demoKeyLabel {
			continue
		}
		if err := s.id.backends.Revoke(key.ID); err != nil {
			return err
		}
	}
	s.key, _, err = s.id.backends.Create(s.cmd.String("tenant"), demoKeyLabel, time.Now())
	return err
}

// addDemo adds the shop, which opens when posse is ready.
func (s *allInOne) addDemo() {
	s.add("demo", func(ctx context.Context) error {
		if !s.untilReady(ctx) {
			return nil
		}
		return demo.Run(ctx, demo.Config{
			API: s.addresses["api"], Upstream: s.addresses["proxy"], Key: s.key, Logger: s.logger,
		})
	}, nil)
}

// signInVisitor signs in whoever looks at the demo, as an administrator, and
// signs out whoever looked at an earlier one.
func (s *allInOne) signInVisitor(ctx context.Context) (client.Grant, error) {
	api, err := client.New(s.addresses["api"], s.key)
	if err != nil {
		return client.Grant{}, err
	}
	visitor, err := api.Login(ctx, client.Login{
		User: demoVisitor, Roles: []string{"admin"},
		Personal: client.Personal{Username: demoVisitor, DisplayName: demoVisitorName, DeviceLabel: "This terminal"},
	})
	if err != nil {
		return client.Grant{}, err
	}
	_, err = api.As(visitor.Access).End(ctx, client.End{User: demoVisitor, Except: "current"})
	return visitor, err
}
