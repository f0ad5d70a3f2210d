package embedded

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"

	"github.com/posse-pos/posse/events"
)

// addUsers admits this process, and gateways if there is a password for them.
func addUsers(options *server.Options, own, gateway string) error {
	hash, err := hashed(own)
	if err != nil {
		return err
	}
	options.Users = []*server.User{{Username: "posse", Password: hash}}
	if gateway == "" {
		return nil
	}
	if hash, err = hashed(gateway); err != nil {
		return err
	}
	options.Users = append(options.Users, &server.User{Username: "gateway", Password: hash, Permissions: gatewayPermissions()})
	return nil
}

// hashed is a password as nats-server likes to have it. The passwords are random
// and long, so that a slow hash would only slow down those who connect.
func hashed(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return "", fmt.Errorf("embedded: hash a password: %w", err)
	}
	return string(hash), nil
}

// gatewayPermissions let a gateway read the revocations and publish touches and
// its status: nothing else, as DESIGN §7 has it. It may listen to the usual
// inboxes only, which are those of other gateways.
func gatewayPermissions() *server.Permissions {
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"pos.v1.touch.>",
			"pos.v1.gateway.*",
			"$JS.API.STREAM.INFO.POS_REVOCATIONS",
			"$JS.API.STREAM.MSG.GET.POS_REVOCATIONS",
			"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.*.pos.v1.revocation.*",
			"$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.*", // of gateways that follow with a consumer
			"$JS.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.*",
			"$JS.API.CONSUMER.DELETE.POS_REVOCATIONS.*",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>", events.SubjectLive, events.SubjectRollCall}},
	}
}
