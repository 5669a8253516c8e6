package sessioncleanup

import (
	"slices"
	"time"
)

// This file says which thresholds and cutoffs apply to a session because of its tags. It is stated once in Go; the
// conformance suite compares stores that decide in SQL with it.

// RuleThresholds are the thresholds of sessions with a tag; Thresholds are those of the others.
type RuleThresholds struct {
	Tag                    string
	Inactive, Delete, Warn time.Duration
}

// For returns the thresholds of a session with these tags, without Rules.
func (t Thresholds) For(tags []string) Thresholds {
	found := false
	of := t
	of.Rules = nil
	for _, r := range t.Rules {
		switch {
		case !slices.Contains(tags, r.Tag):
		case !found:
			of.Inactive, of.Delete, of.Warn, found = r.Inactive, r.Delete, r.Warn, true
		default:
			of.Inactive, of.Delete, of.Warn = longer(of.Inactive, r.Inactive), longer(of.Delete, r.Delete), max(of.Warn, r.Warn)
		}
	}
	return of
}

// longer is the longer of two thresholds, of which zero is never.
func longer(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

// anyOf reports whether something holds for the thresholds of some sessions.
func (t Thresholds) anyOf(holds func(Thresholds) bool) bool {
	return holds(t) || slices.ContainsFunc(t.Rules, func(r RuleThresholds) bool { return holds(t.For([]string{r.Tag})) })
}

// RuleCutoffs are the cutoffs of sessions with a tag; Cutoffs are those of the others.
type RuleCutoffs struct {
	Tag      string    `json:"tag"`
	Inactive time.Time `json:"inactive,omitzero"`
	Delete   time.Time `json:"delete,omitzero"`
	Warned   time.Time `json:"warned,omitzero"`
}

// For returns the cutoffs of a session with these tags, without Rules. When several rules apply, the earliest of each
// cutoff counts, and a zero cutoff, which means never, counts as the earliest. A zero Warned means that no warning is
// needed, and counts only when no rule needs one.
func (c Cutoffs) For(tags []string) Cutoffs {
	if len(c.Rules) == 0 {
		return c
	}
	of, found := c, false
	of.Rules = nil
	for _, r := range c.Rules {
		switch {
		case !slices.Contains(tags, r.Tag):
		case !found:
			of.Inactive, of.Delete, of.Warned, found = r.Inactive, r.Delete, r.Warned, true
		default:
			of.Inactive, of.Delete, of.Warned = sooner(of.Inactive, r.Inactive), sooner(of.Delete, r.Delete), warnedFirst(of.Warned, r.Warned)
		}
	}
	if found {
		of.Warn, of.GivenUp = time.Time{}, time.Time{}
		if of.Delete.IsZero() {
			of.Warned = time.Time{}
		}
		if !of.Warned.IsZero() {
			of.Warn = of.Delete.Add(of.Now.Sub(of.Warned))
			if c.Proceed {
				of.GivenUp = of.Warned
			}
		}
	}
	return of
}

// of are the cutoffs of a session.
func (c Cutoffs) of(s Session) Cutoffs { return c.For(s.Tags) }

// sooner is the earlier of two cutoffs, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if b.Before(a) {
		return b
	}
	return a
}

// warnedFirst is the earlier of two cutoffs of which zero does not count.
func warnedFirst(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Latest returns the cutoffs with the latest Inactive, Delete and Warn of the policy and all rules: a session that is
// not due by these is not due by any rule. A store uses them to find sessions along an index before it looks at their
// tags.
func (c Cutoffs) Latest() Cutoffs {
	of := c
	of.Rules = nil
	for _, r := range c.Rules {
		rule := c.For([]string{r.Tag})
		of.Inactive, of.Delete, of.Warn = later(of.Inactive, rule.Inactive), later(of.Delete, rule.Delete), later(of.Warn, rule.Warn)
	}
	return of
}

// Warns reports whether some deletions wait for a warning.
func (c Cutoffs) Warns() bool {
	return !c.Warned.IsZero() || slices.ContainsFunc(c.Rules, func(r RuleCutoffs) bool { return !r.Warned.IsZero() && !r.Delete.IsZero() })
}

// DecidedBy returns the tag whose rule sets the cutoff of an action, ActionDeleted or ActionDeactivated, for a session
// with these tags. It returns "" when the policy's own thresholds lead to the same cutoff.
func (c Cutoffs) DecidedBy(a Action, tags []string) string {
	cutoff := func(c Cutoffs) time.Time {
		if a == ActionDeactivated {
			return c.Inactive
		}
		return c.Delete
	}
	decided := cutoff(c.For(tags))
	if decided.Equal(cutoff(c)) {
		return ""
	}
	for _, r := range c.Rules {
		if slices.Contains(tags, r.Tag) && cutoff(c.For([]string{r.Tag})).Equal(decided) {
			return r.Tag
		}
	}
	return ""
}

// PurgeRule is the cutoff of archived sessions that had a tag.
type PurgeRule struct {
	Tag    string
	Before time.Time // those from before it; zero: none
}

// PurgeBefore returns the cutoff for an archived session with these tags: an entry archived before it is due. That is
// until or, when rules apply, the earliest of their cutoffs. Zero means never.
func PurgeBefore(until time.Time, rules []PurgeRule, tags []string) time.Time {
	found := false
	for _, r := range rules {
		switch {
		case !slices.Contains(tags, r.Tag):
		case !found:
			until, found = r.Before, true
		default:
			until = sooner(until, r.Before)
		}
	}
	return until
}

// ArchiveKeepOf returns how long the archive keeps a session that had these tags when it was deleted, or Never. Call it
// on a policy with its defaults filled in; see WithDefaults.
func (p Policy) ArchiveKeepOf(tags []string) time.Duration {
	now := time.Unix(0, 0)
	before := PurgeBefore(p.purgeBefore(now), p.purgeRules(now), tags)
	if before.IsZero() {
		return Never
	}
	return now.Sub(before)
}
