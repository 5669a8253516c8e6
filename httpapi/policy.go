package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// setting is a value of the policy, and where it comes from.
type setting struct {
	Name     string                `json:"name"`
	Value    any                   `json:"value"` // null: never, or no limit
	Origin   sessioncleanup.Origin `json:"origin"`
	Default  any                   `json:"default"`
	Editable bool                  `json:"editable"`
}

type policyAnswer struct {
	Success  bool      `json:"success"`
	Message  string    `json:"message,omitempty"` // after a change
	Editable bool      `json:"editable"`          // some settings can be changed
	Settings []setting `json:"settings"`
	Due      *due      `json:"due"`                // null while it is still counted
	Proposed *due      `json:"proposed,omitempty"` // with the values of the query
}

// due is what a run would do.
type due struct {
	Deactivate int `json:"deactivate"`
	Delete     int `json:"delete"`
	Purge      int `json:"purge"`
}

// value reads a setting of a policy, and says whether it has any.
type value struct {
	name     string
	of       func(sessioncleanup.Policy) any // as clients see it
	set      func(sessioncleanup.Policy) bool
	editable bool
}

func thresholdValue(name string, unit time.Duration, editable bool, of func(sessioncleanup.Policy) time.Duration) value {
	return value{name, func(p sessioncleanup.Policy) any { return in(of(p), unit) }, func(p sessioncleanup.Policy) bool { return of(p) != 0 }, editable}
}

func switchValue(name string, of func(sessioncleanup.Policy) sessioncleanup.Switch) value {
	return value{name, func(p sessioncleanup.Policy) any { return of(p) == sessioncleanup.On }, func(p sessioncleanup.Policy) bool { return of(p) != sessioncleanup.Default }, false}
}

func numberValue[T int | int64 | float64](name string, editable bool, of func(sessioncleanup.Policy) T) value {
	return value{name, func(p sessioncleanup.Policy) any { return of(p) }, func(p sessioncleanup.Policy) bool { return of(p) != 0 }, editable}
}

// rateValue is that of an alert: 0 for none, which is a negative number in a policy.
func rateValue(name string, of func(sessioncleanup.Policy) float64) value {
	return value{name, func(p sessioncleanup.Policy) any { return max(of(p), 0) }, func(p sessioncleanup.Policy) bool { return of(p) != 0 }, true}
}

// policyValues are all settings, those that people look at first.
var policyValues = []value{
	thresholdValue("inactive_hours", time.Hour, true, func(p sessioncleanup.Policy) time.Duration { return p.InactiveAfter }),
	thresholdValue("delete_old_days", day, true, func(p sessioncleanup.Policy) time.Duration { return p.DeleteAfter }),
	thresholdValue("archive_keep_days", day, true, func(p sessioncleanup.Policy) time.Duration { return p.ArchiveKeep }),
	numberValue("alert_due", true, func(p sessioncleanup.Policy) int { return p.AlertDue }),
	rateValue("alert_use_rate", func(p sessioncleanup.Policy) float64 { return p.AlertUseRate }),
	rateValue("alert_activity_rate", func(p sessioncleanup.Policy) float64 { return p.AlertActivityRate }),
	{"rules", func(p sessioncleanup.Policy) any { return rulesOf(p) }, func(p sessioncleanup.Policy) bool { return p.Rules != "" }, true},
	switchValue("enabled", func(p sessioncleanup.Policy) sessioncleanup.Switch { return p.Enabled }),
	switchValue("auto_cleanup_default", func(p sessioncleanup.Policy) sessioncleanup.Switch { return p.AutoCleanupDefault }),
	switchValue("reactivate_on_activity", func(p sessioncleanup.Policy) sessioncleanup.Switch { return p.ReactivateOnActivity }),
	switchValue("archive", func(p sessioncleanup.Policy) sessioncleanup.Switch { return p.Archive }),
	switchValue("backup", func(p sessioncleanup.Policy) sessioncleanup.Switch { return p.Backup }),
	numberValue("max_delete_fraction", false, func(p sessioncleanup.Policy) float64 { return p.MaxDeleteFraction }),
	thresholdValue("events_keep_days", day, false, func(p sessioncleanup.Policy) time.Duration { return p.EventsKeep }),
	numberValue("archive_max_rows", false, func(p sessioncleanup.Policy) int { return p.ArchiveMaxRows }),
	numberValue("archive_max_bytes", false, func(p sessioncleanup.Policy) int64 { return p.ArchiveMaxBytes }),
	thresholdValue("touch_interval_seconds", time.Second, false, func(p sessioncleanup.Policy) time.Duration { return p.TouchInterval }),
	numberValue("batch_size", false, func(p sessioncleanup.Policy) int { return p.BatchSize }),
	thresholdValue("batch_budget_seconds", time.Second, false, func(p sessioncleanup.Policy) time.Duration { return p.BatchBudget }),
	numberValue("rate", false, func(p sessioncleanup.Policy) float64 { return p.Rate }),
	numberValue("busy_share", false, func(p sessioncleanup.Policy) float64 { return p.BusyShare }),
}

// rulesOf are the rules by tag; empty without any.
func rulesOf(p sessioncleanup.Policy) string {
	if all, err := sessioncleanup.ParseRules(p.Rules); err == nil && len(all) > 0 {
		return sessioncleanup.FormatRules(all)
	}
	return ""
}

// settings are those of the policy in force.
func (c *call) settings() []setting {
	inForce, standard := c.m.Policy(), sessioncleanup.DefaultPolicy()
	editable := c.m.CanSetPolicy() && !c.ReadOnly
	all := make([]setting, len(policyValues))
	for i, v := range policyValues {
		s := setting{Name: v.name, Value: v.of(inForce), Origin: c.m.Origin(v.set), Default: v.of(standard)}
		s.Editable = v.editable && editable && s.Origin != sessioncleanup.OriginProgram
		all[i] = s
	}
	return all
}

// thresholdFields are the thresholds that can be changed.
func thresholdFields(change *sessioncleanup.Policy) map[string]field {
	return map[string]field{
		"inactive_hours":    threshold(time.Hour, &change.InactiveAfter),
		"delete_old_days":   threshold(day, &change.DeleteAfter),
		"archive_keep_days": threshold(day, &change.ArchiveKeep),
	}
}

// policy serves GET /policy: what is in force, where it comes from, and what a run would do by it or by the values in the
// query.
func (c *call) policy() error {
	var change sessioncleanup.Policy
	for name, read := range thresholdFields(&change) {
		if c.values.Has(name) {
			if err := read(name, json.RawMessage(c.values.Get(name))); err != nil {
				return err
			}
		}
	}
	if change.Rules = c.values.Get("rules"); change.Rules != "" {
		if _, err := sessioncleanup.ParseRules(change.Rules); err != nil {
			return wrong("rules", msgRules, err)
		}
	}
	out, err := c.policyNow()
	if err != nil {
		return err
	}
	if change != (sessioncleanup.Policy{}) {
		if out.Proposed, err = c.proposed(change); err != nil {
			return err
		}
	}
	return c.reply(out)
}

func (c *call) policyNow() (policyAnswer, error) {
	stored := c.m.StoredPolicy() // before the values: a tag that is older than they are refuses a change, a newer one overwrites
	c.w.Header().Set("ETag", policyTag(stored))
	out := policyAnswer{Success: true, Editable: c.m.CanSetPolicy() && !c.ReadOnly, Settings: c.settings()}
	now, counted, err := soon(c, func(ctx context.Context) (due, error) {
		now, _, err := c.dueNow.get(ctx, "", func(ctx context.Context) (due, error) { return c.dueBy(ctx, sessioncleanup.Policy{}) })
		return now, err
	})
	if counted {
		out.Due = &now
	}
	return out, err
}

// dueBy is what a run would do with a change of the policy. It is counted for one caller at a time.
func (c *call) dueBy(ctx context.Context, change sessioncleanup.Policy) (due, error) {
	select {
	case c.proposing <- struct{}{}:
		defer func() { <-c.proposing }()
	case <-ctx.Done():
		return due{}, ctx.Err()
	}
	res, err := c.m.Propose(ctx, change)
	return due{Deactivate: res.Deactivated(), Delete: res.Deleted(), Purge: res.Purged()}, err
}

// proposed is dueBy for a client that waits for it, however large the table is: it ends when the client leaves.
func (c *call) proposed(change sessioncleanup.Policy) (*due, error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), longestCount)
	defer cancel()
	then, err := unhurried(ctx, c, whileReachable(c, func(ctx context.Context) (due, error) { return c.dueBy(ctx, change) }))
	if err != nil && ctx.Err() != nil {
		return nil, &fault{problem: counting, detail: msgLongProposal, retryAfter: longestCount}
	}
	return &then, err
}

// setPolicy serves PATCH /policy.
func (c *call) setPolicy() error {
	var change sessioncleanup.Policy
	fields := thresholdFields(&change)
	maps.Copy(fields, map[string]field{
		"rules": rules(&change.Rules), "alert_due": count(&change.AlertDue),
		"alert_use_rate": fractionOrNone(&change.AlertUseRate), "alert_activity_rate": fractionOrNone(&change.AlertActivityRate),
	})
	if err := c.body(fields); err != nil {
		return err
	}
	expected, err := c.confirmedNumber()
	if err != nil {
		return err
	}
	condition, err := ifMatch(c, policyTag)
	if err != nil {
		return err
	}
	for _, v := range policyValues {
		if v.set(change) && c.m.Origin(v.set) == sessioncleanup.OriginProgram {
			return wrong(v.name, msgSetByProgram)
		}
	}
	if err := c.reachable(c.r.Context()); err != nil {
		return err
	}
	_, err = unhurried(c.r.Context(), c, whileReachable(c, func(ctx context.Context) (sessioncleanup.Policy, error) {
		return c.m.IfPolicy(condition).SetPolicy(ctx, change, expected) // it counts what the change would have removed
	}))
	if more, ok := errors.AsType[*sessioncleanup.MoreDeletionsError](err); ok {
		return &fault{
			problem: unconfirmed, detail: msgMoreDeleted, args: []any{more.After, more.Before},
			extra: extra{Confirm: "?confirm=" + strconv.Itoa(more.After), Due: more.After, DueBefore: &more.Before},
		}
	}
	if errors.Is(err, sessioncleanup.ErrChanged) {
		return &fault{problem: changed, detail: msgPolicyChanged}
	}
	if errors.Is(err, errors.ErrUnsupported) && change.Rules != "" && c.m.CanSetPolicy() {
		return wrong("rules", msgNoRules)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return &fault{problem: notStored}
	}
	if err != nil {
		return err
	}
	c.forgetAll()
	c.m = c.manager.As(c.who)
	out, err := c.policyNow()
	if err != nil {
		return err
	}
	out.Message = msgPolicySet[c.lang]
	return c.reply(out)
}

// confirmedNumber is how many deletions the request expects; 0 when it says nothing.
func (c *call) confirmedNumber() (int, error) {
	if !c.values.Has("confirm") {
		return 0, nil
	}
	n, err := strconv.Atoi(c.values.Get("confirm"))
	if err != nil || n < 0 {
		return 0, wrong("confirm", msgCount, c.values.Get("confirm"))
	}
	return n, nil
}
