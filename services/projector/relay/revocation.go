package relay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// unknownLife is how long a revocation is remembered that does not say when its
// session expires: longer than any session lives.
const unknownLife = 400 * 24 * time.Hour

// revocations returns what gateways need to know of a batch, and the sequence of
// the last one of each tenant in it.
func (r *Relay) revocations(facts []eventlog.Recorded) ([]events.Revocation, map[string]uint64, error) {
	var list []events.Revocation
	last := map[string]uint64{}
	now := events.TimestampOf(r.config.Now())
	for i := range facts {
		revocation, ok, err := asRevocation(&facts[i])
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		if revocation.Expires <= now {
			r.metrics.skipped.Inc()
			continue
		}
		revocation.Previous = r.previous(last, revocation.Tenant)
		last[revocation.Tenant] = revocation.Sequence
		list = append(list, revocation)
	}
	return list, last, nil
}

func (r *Relay) previous(batch map[string]uint64, tenant string) uint64 {
	if sequence, ok := batch[tenant]; ok {
		return sequence
	}
	return max(r.start, r.last[tenant])
}

// asRevocation reports whether a fact is a revocation. One in a version that
// this build does not know is relayed by its key, which every version has:
// better to refuse too long than to let pass.
func asRevocation(fact *eventlog.Recorded) (events.Revocation, bool, error) {
	switch e := fact.Event.(type) {
	case events.Revoked:
		return events.Revocation{
			Tenant: e.Tenant, Session: e.Session, Expires: e.Expires, Cause: e.Cause, Sequence: fact.Sequence,
		}, true, nil
	case events.Unknown:
		if e.Type != events.TypeRevoked {
			return events.Revocation{}, false, nil
		}
		return unknownRevocation(fact, &e)
	default:
		return events.Revocation{}, false, nil
	}
}

func unknownRevocation(fact *eventlog.Recorded, e *events.Unknown) (events.Revocation, bool, error) {
	if e.Session == "" {
		return events.Revocation{}, false, fmt.Errorf("relay: %s v%d at sequence %d names no session: upgrade posse",
			e.Type, e.Version, fact.Sequence)
	}
	payload := struct {
		Expires events.Timestamp `json:"expires"`
	}{}
	if err := json.Unmarshal(e.Message.Data, &payload); err != nil || payload.Expires == 0 {
		payload.Expires = events.TimestampOf(fact.Time.Add(unknownLife))
	}
	return events.Revocation{
		Tenant: e.Tenant, Session: e.Session, Expires: payload.Expires, Cause: events.CausePolicy, Sequence: fact.Sequence,
	}, true, nil
}
