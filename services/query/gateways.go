package query

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
)

type gatewaysInput struct{ ReadInput }

// Gateway is what a gateway last said of itself.
type Gateway struct {
	Gateway string `json:"gateway"`
	Name    string `json:"name"`

	Applied uint64 `doc:"Position up to which it refuses what was revoked." json:"applied"`

	Stale bool `doc:"It has not heard from the relay for too long." json:"stale"`

	Silent bool `doc:"Its next report is overdue." json:"silent"`

	Entries int `doc:"Size of its deny-set." json:"entries"`

	Seen string `doc:"When its last report came." format:"date-time" json:"seen"`
}

// GatewayList is the gateways that serve the caller's tenant.
type GatewayList struct {
	Gateways []Gateway `json:"gateways"`
}

// GatewaysBody is GatewayList and how fresh the read model is.
type GatewaysBody struct {
	GatewayList
	Freshness
}

func (s *Service) registerGateways(api huma.API) {
	get(s, api, operation{
		id: "list-gateways", path: "/v1/gateways", summary: "List the gateways and how far each has come",
		doc: "For administrators and auditors.", errors: []int{http.StatusForbidden},
	}, s.gateways)
}

func (s *Service) gateways(ctx context.Context, input *gatewaysInput) (*Answer[GatewaysBody], error) {
	l, err := s.look(ctx, AsOfInput{})
	if err != nil {
		return nil, err
	}
	if !l.Viewer.MayReadAll() {
		return nil, commands.NewError(commands.ReasonForbidden, "the gateways are for administrators and auditors")
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	shown, err := s.reads.Freshness(ctx)
	if err != nil {
		return nil, err
	}
	running := s.config.Gateways.Gateways(l.Viewer.Tenant)
	list := GatewayList{make([]Gateway, len(running))}
	for i := range running {
		list.Gateways[i] = gatewayView(&running[i])
	}
	fresh := freshness(l, shown)
	return reply(&input.ReadInput, GatewaysBody{list, fresh}, list, fresh)
}

func gatewayView(g *fleet.Gateway) Gateway {
	return Gateway{
		Gateway: g.Gateway, Name: g.Name, Applied: g.Applied, Stale: g.Stale, Silent: g.Silent, Entries: g.Entries,
		Seen: stamp(g.Seen),
	}
}
