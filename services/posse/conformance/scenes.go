package conformance

import (
	"context"
	"time"
)

// The bounds that the rules give.
const (
	revokedWithin = time.Second
	healedWithin  = 5 * time.Second
	rereadWithin  = time.Minute
)

const (
	floodWidth = 16   // questions at a time
	floodBatch = 1000 // what one command ends at most
	floodLeast = 100
)

// scene is something that happens to the gateway.
type scene struct {
	rules []string // that it judges; an error of play is about those it did not get to
	play  func(ctx context.Context, x *examination) error
	// anyway means that it is played with a gateway that admits nobody any more, too.
	anyway bool
}

// scenes are in this order because a gateway that breaks the last ones may be of
// no use afterwards.
var scenes = []scene{
	{rules: []string{"G2"}, play: playFields},
	{rules: []string{"G6"}, play: playRevocation},
	{rules: []string{"G7"}, play: playOthers},
	{rules: []string{"G18"}, play: playTokens},
	{rules: []string{"G19"}, play: playTenant},
	{rules: []string{"G23"}, play: playIdentity},
	{rules: []string{"G24"}, play: playStreams},
	{rules: []string{"G25"}, play: playTouches},
	{rules: []string{"G9"}, play: playFlood},
	{rules: []string{"G10", "G26"}, play: playSilence},
	{rules: []string{"G11"}, play: playFrozen},
	{rules: []string{"G12", "G13", "G14"}, play: playPartition},
	{rules: []string{"G20"}, play: playKeys},
	{rules: []string{"G3"}, play: playUnreadable},
	{rules: []string{"G15"}, play: playRestart},
	{rules: []string{"G8"}, play: playRemembered},
	{rules: []string{"G16"}, play: playRenewedStream},
	{rules: []string{"G21", "G22", "G27"}, play: playEnd, anyway: true},
}
