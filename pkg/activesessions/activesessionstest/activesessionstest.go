// Package activesessionstest is the conformance suite of the read model: what
// every store guarantees, told as stories of a shop, and the property that any
// order, repetition or split of a history gives one read model, byte for byte.
package activesessionstest

import (
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// Store is both sides of a read model.
type Store interface {
	activesessions.Writer
	activesessions.Reader
}

// Factory makes an empty store that goes by the given clock. It lives until the
// test ends.
type Factory func(t *testing.T, now func() time.Time) Store

// Run holds a store to the port.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	run(t, factory, stories)
	RunFilters(t, factory)
}

// RunFilters holds a store to what the port says of filters. It is a part of Run,
// for stores that answer filters in several ways.
func RunFilters(t *testing.T, factory Factory) {
	t.Helper()
	run(t, factory, filterStories)
}

func run(t *testing.T, factory Factory, stories map[string]func(*testing.T, Factory)) {
	t.Helper()
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, factory)
		})
	}
}

var stories = map[string]func(*testing.T, Factory){
	"any order of a history gives one read model":  anyOrderGivesOneReadModel,
	"only one of two writers goes on":              onlyOneWriterGoesOn,
	"a batch that goes back is refused":            batchThatGoesBackIsRefused,
	"positions are remembered exactly":             positionsAreRemembered,
	"reset forgets everything":                     resetForgets,
	"devices are known by the parser's version":    devicesAreKnownByVersion,
	"freshness follows the log":                    freshnessFollowsTheLog,
	"a reader can wait for a position":             readerWaits,
	"changed users are named":                      changedUsersAreNamed,
	"a login is listed with all it said":           loginIsListed,
	"an ended session is gone and stays known":     endedSessionStaysKnown,
	"an end counts whatever its clock said":        endCountsWhateverItsClock,
	"a session expires without a write":            sessionExpires,
	"a refresh keeps a session open":               refreshKeepsOpen,
	"a late touch brings nothing back":             lateTouch,
	"a stub is ignored until its login comes":      stubIsIgnored,
	"a user's newest login names them":             newestLoginNames,
	"a foreign tenant sees nothing":                foreignTenant,
	"one user sees only themselves":                onlyThemselves,
	"one session id of two users":                  oneIDOfTwoUsers,
	"sessions of several users are found at once":  severalAtOnce,
	"nobody shows more sessions than one may have": atMostOfEach,
	"history is what a fold needs":                 historyForFold,
	"idle sessions are found in bounded steps":     idleSessions,
	"a past moment is answered":                    pastMoment,
	"a past moment is the facts until then":        pastIsAFold,
	"sweep forgets the old and keeps the rest":     sweepForgets,
	"sweep goes by tenant":                         sweepGoesByTenant,
	"sweep takes exactly what is old":              sweepTakesExactlyTheOld,
	"ten thousand users are walked":                tenThousandUsers,
	"a page token is good for its query only":      pageTokens,
	"readers see all of a batch or nothing":        batchesAreAtomic,
	"a rebuild after keys are lost is the same":    rebuiltAfterKeysAreLost,
	"nothing of a forgotten user is shown":         forgottenUserIsBlank,
	"a forgotten session stays known":              forgottenSessionStaysKnown,
}

var filterStories = map[string]func(*testing.T, Factory){
	"a filter ignores case and knows no wildcards":      filterIsLiteral,
	"counts stop where the query says":                  countsStop,
	"paging shows everybody once while they are active": pagingUnderChurn,
	"pages may be asked for by clocks that differ":      pagingWithClocksThatDiffer,
	"users stand by newest activity":                    usersByNewestActivity,
	"a user without sessions leaves the list":           userLeaves,
	"counts are those of a reckoning by hand":           countsAreExact,
	"a filter finds whoever has it in a name":           filterFinds,
}
