package natslog

import "context"

// Decoder is what the log decodes with.
var Decoder = decoder

// GrowsWhileLost reports whether a chunk grows by messages of a consumer that was lost
// while the chunk was filled.
func GrowsWhileLost(ctx context.Context) bool {
	s := &subscription{config: SubscriberConfig{BatchSize: 2}, feed: &feed{}}
	return s.grow(ctx, &chunk{})
}
