// Package order decides where users stand in the list by newest activity.
//
// Keeping the list in step with every touch costs more than all else that a
// touch does, and in a large fleet it says nothing: everybody was active within
// the last touch interval. So a user's place follows the last activity in steps
// that grow with the number of users. A shop sees the exact order; a fleet sees
// it to within a few minutes, and moves a bounded number of places a second.
package order

import "time"

const (
	exactUpTo = 1000            // users of a tenant whose order is exact
	movesRate = 100             // places that a larger tenant moves a second, about
	maxStep   = 5 * time.Minute // the coarsest that the order gets
)

// Step is how far, in milliseconds, the last activity of a user may run ahead of
// the user's place in a list of that many users.
func Step(users int) int64 {
	if users <= exactUpTo {
		return 0
	}
	return min(int64(users)*1000/movesRate, maxStep.Milliseconds())
}

// Lag is how far a store's horizon stays behind its clock. Sessions that expired
// before the horizon are out of the summaries; those that expired since are
// taken off when a list is read. With the lag, a reader whose clock is a little
// behind finds few of them, and never one that is gone too early.
const Lag = 5 * time.Second
