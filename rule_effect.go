package sessioncleanup

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxRuleEffects is how many sessions of a phase are examined for Result.Rules.
const maxRuleEffects = 10_000

// RuleEffect is what a rule by tag does in a run: for how many sessions with its tag it decides, as Cutoffs.DecidedBy says.
type RuleEffect struct {
	Tag               string `json:"tag"`
	Deletes           int    `json:"deletes"`             // due for deletion, by this rule
	KeepsFromDeletion int    `json:"keeps_from_deletion"` // the policy's own thresholds would have them deleted, and this rule keeps them
	Deactivates       int    `json:"deactivates"`         // due for deactivation, by this rule
	KeepsActive       int    `json:"keeps_active"`        // the policy's own thresholds would have them deactivated, and this rule keeps them
	More              bool   `json:"more,omitempty"`      // there are more, and only 10,000 sessions of each kind were examined
}

// countRules fills in what each rule does, in the order of the rules.
func (r *run) countRules(ctx context.Context) error {
	tags := r.policy.RuleTags()
	if len(tags) == 0 {
		return nil
	}
	effects := make([]RuleEffect, len(tags))
	for i, tag := range tags {
		effects[i].Tag = tag
	}
	for _, p := range r.phases() {
		if p.action == ActionNoticed {
			continue
		}
		q := r.dueQuery(p.status)
		q.Tags = strings.TrimSpace(q.Tags + " " + strings.Join(tags, "|"))
		q.Limit = maxRuleEffects
		for _, own := range []bool{false, true} {
			if own {
				q.Thresholds.Rules = nil
			}
			page, err := r.list(ctx, q)
			if err != nil {
				return fmt.Errorf("count what the rules keep: %w", err)
			}
			cutoffs := r.result.Cutoffs
			cutoffs.Untracked = page.Cutoffs.Untracked
			for _, s := range page.Sessions {
				i := slices.Index(tags, cutoffs.DecidedBy(p.action, s.Tags))
				if i >= 0 && cutoffs.Due(p.action, s) != own {
					effects[i].add(p.action, own)
				}
			}
			for i := range effects {
				effects[i].More = effects[i].More || page.Next != nil
			}
		}
	}
	r.result.Rules = effects
	return nil
}

// add counts a session for which the rule decides.
func (e *RuleEffect) add(a Action, kept bool) {
	switch {
	case a == ActionDeleted && kept:
		e.KeepsFromDeletion++
	case a == ActionDeleted:
		e.Deletes++
	case kept:
		e.KeepsActive++
	default:
		e.Deactivates++
	}
}
