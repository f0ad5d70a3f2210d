package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
)

// Verdict is what was found out about a rule.
type Verdict struct {
	Rule Rule
	// Outcome is Passed, Failed or Skipped.
	Outcome Outcome
	// Note says how it went, what came instead of what was expected, or why the
	// rule was skipped. It may be empty.
	Note string
}

// Outcome is how a rule was judged.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "FAIL"
	Skipped Outcome = "skip"
)

// examination is a run of the test.
type examination struct {
	*world
	*asker

	verdicts map[string]Verdict
	// What was seen of refusals in passing, whatever they were asked for.
	unauthorized, unavailable       int
	unauthorizedBad, unavailableBad error
	// early were revoked before anything else, and are asked for again at the end.
	early []someone
}

// Run examines a gateway, and returns a verdict for each rule that was asked for.
// The error says why the examination could not be held or finished; that a rule is
// broken is none.
func Run(ctx context.Context, config Config) ([]Verdict, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, err := newWorld(ctx, config)
	if err != nil {
		return nil, err
	}
	defer w.close()
	x := &examination{world: w, asker: newAsker(config.URL), verdicts: map[string]Verdict{}}
	defer x.asker.close()
	err = x.run(ctx, cancel)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return x.all(), err
}

func (x *examination) run(ctx context.Context, cancel context.CancelCauseFunc) error {
	if err := x.begin(ctx, cancel); err != nil {
		return err
	}
	for _, rule := range rules {
		if rule.Unseen != "" {
			x.judge(rule.ID, leftOut(rule.Unseen))
		}
	}
	for _, s := range scenes {
		if !x.wants(s.rules...) {
			continue
		}
		x.restore(ctx)
		err := x.inOrder(ctx, s)
		if err == nil {
			err = s.play(ctx, x)
		}
		for _, id := range s.rules {
			if err != nil && x.verdicts[id].Outcome == "" {
				x.judge(id, err)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// inOrder waits until the gateway does what a scene begins with.
func (x *examination) inOrder(ctx context.Context, s scene) error {
	if s.anyway {
		return nil
	}
	if err := x.fresh(ctx); err != nil {
		return fmt.Errorf("nothing is wrong with NATS or the relay any more, and still: %w", err)
	}
	return nil
}

// all are the verdicts in the order of the rules.
func (x *examination) all() []Verdict {
	var all []Verdict
	for _, rule := range rules {
		if v, ok := x.verdicts[rule.ID]; ok {
			all = append(all, v)
		}
	}
	return all
}

// wants reports whether one of the rules is to be looked at.
func (x *examination) wants(ids ...string) bool {
	return len(x.config.Only) == 0 || slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(x.config.Only, id) })
}

// judge says that a rule was kept, or what is wrong.
func (x *examination) judge(id string, fault error, notes ...string) {
	v := Verdict{Outcome: Passed, Note: strings.Join(notes, "; ")}
	if left := new(leftOut); errors.As(fault, left) {
		v.Outcome, v.Note = Skipped, string(*left)
	} else if fault != nil {
		v.Outcome, v.Note = Failed, fault.Error()
	}
	x.record(id, v)
}

func (x *examination) record(id string, v Verdict) {
	v.Rule = rules[slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })]
	if _, judged := x.verdicts[id]; judged || !x.wants(id) {
		return
	}
	x.verdicts[id] = v
	line := fmt.Sprintf("%s  %-4s %s", v.Outcome, id, v.Rule.Title)
	if v.Note != "" {
		line += ": " + v.Note
	}
	fmt.Fprintln(x.config.Out, line)
}

// leftOut is why a rule is not looked at. It travels as an error does.
//
//nolint:errname // nothing went wrong
type leftOut string

func (l leftOut) Error() string { return string(l) }

// asked asks with somebody's token, and looks at the form of a refusal in passing.
func (x *examination) asked(ctx context.Context, who someone) answer {
	return x.seen(x.ask(ctx, "Bearer "+who.token, nil), "")
}

// seen looks at the form of an answer. Reason is that of a 401, if it is known.
func (x *examination) seen(a answer, reason gateway.Reason) answer {
	problems := !x.config.leavesOut(PartProblem)
	switch a.status {
	case 401:
		x.unauthorized++
		if x.unauthorizedBad == nil {
			x.unauthorizedBad = unauthorizedFault(a, reason, problems)
		}
	case 503:
		x.unavailable++
		if x.unavailableBad == nil {
			x.unavailableBad = unavailableFault(a, problems)
		}
	}
	return a
}

// until asks until the answer is as wanted, for as long as bound and patience allow.
// It returns how long that took, and an error that says what came instead.
func (x *examination) until(
	ctx context.Context, who someone, bound time.Duration, what string, wanted func(answer) bool,
) (time.Duration, error) {
	began := time.Now()
	for {
		last := x.asked(ctx, who)
		took := time.Since(began)
		if wanted(last) {
			return took, nil
		}
		if took > bound+x.config.Patience {
			return took, fmt.Errorf("%s: still %s after %s", what, last, round(took))
		}
		if err := pause(ctx, pollEvery); err != nil {
			return took, err
		}
	}
}

// settled asks until the gateway says yes or no: it may be stale for a moment on a
// busy machine, whatever the rule in question is about.
func (x *examination) settled(ctx context.Context, question func(context.Context) answer) answer {
	for deadline := time.Now().Add(x.config.Patience); ; {
		a := question(ctx)
		if a.status != 0 && a.status != http.StatusServiceUnavailable || time.Now().After(deadline) || pause(ctx, pollEvery) != nil {
			return a
		}
	}
}

// decided is what a gateway that is not stale says to somebody.
func (x *examination) decided(ctx context.Context, who someone) answer {
	return x.settled(ctx, func(ctx context.Context) answer { return x.asked(ctx, who) })
}

// while asks for a while and returns the first answer that is not as wanted.
func (x *examination) while(ctx context.Context, who someone, length time.Duration, wanted func(answer) bool) (answer, bool) {
	for began := time.Now(); time.Since(began) < length; {
		if a := x.asked(ctx, who); !wanted(a) && ctx.Err() == nil {
			return a, false
		}
		if pause(ctx, pollEvery) != nil {
			break
		}
	}
	return answer{}, true
}

// fresh waits until a newcomer is admitted. That is no rule's time: what a scene
// begins with, or ends with.
func (x *examination) fresh(ctx context.Context) error {
	who, err := x.newcomer(ctx)
	if err != nil {
		return err
	}
	_, err = x.until(ctx, who, healedWithin, "want a good token admitted", answer.admitted)
	return err
}

// gone waits until a revoked session is refused, and returns how long that took.
func (x *examination) gone(ctx context.Context, who someone, bound time.Duration) (time.Duration, error) {
	took, err := x.until(ctx, who, bound, "want 401 for a revoked session", answer.refused)
	if err != nil {
		return took, err
	}
	x.seen(x.ask(ctx, "Bearer "+who.token, nil), gateway.ReasonRevoked)
	return took, nil
}

// stops waits until a good token is no longer admitted, as it has to be a while
// after the gateway's last news, and returns how long that took.
func (x *examination) stops(ctx context.Context, who someone) (time.Duration, error) {
	grace, stops := x.config.grace()
	if !stops {
		return 0, leftOut("it is fail_open, so that its answers do not show whether it is stale")
	}
	return x.until(ctx, who, x.config.StaleAfter+grace, "want a stale gateway to stop admitting",
		func(a answer) bool { return a.status != 0 && !a.admitted() })
}

func round(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
