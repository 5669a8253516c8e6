package sessioncleanup

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Rule replaces thresholds of the policy for sessions with a tag. A zero field means the policy's threshold. When
// several rules apply to a session, the longest wins, separately for each threshold, and Never beats every duration.
// For WarnBefore it is the other way round: Never means that no warning is needed, and every duration beats it. So a
// tag never shortens what another tag promises. A session with AutoCleanup off is protected whatever the rules say.
type Rule struct {
	Tag           string
	InactiveAfter time.Duration
	DeleteAfter   time.Duration
	WarnBefore    time.Duration
	ArchiveKeep   time.Duration
}

// RuleFollower is implemented by a Tagger that measures sessions by Policy.Rules: wherever it takes Thresholds or
// Cutoffs, it uses for each session those that For returns for its tags. A Manager refuses rules for other stores.
type RuleFollower interface {
	// FollowsRules reports whether the store follows rules. A store that wraps another one may not.
	FollowsRules() bool
}

const (
	// NoRules as the value of Policy.Rules says that there are no rules. An empty Policy.Rules leaves that open.
	NoRules  = "none"
	maxRules = 50 // in a policy
)

// The names of a rule's thresholds in Policy.Rules, in the order in which they are written.
var ruleFields = []struct {
	name string
	of   func(*Rule) *time.Duration
}{
	{"inactive", func(r *Rule) *time.Duration { return &r.InactiveAfter }},
	{"delete", func(r *Rule) *time.Duration { return &r.DeleteAfter }},
	{"warn", func(r *Rule) *time.Duration { return &r.WarnBefore }},
	{"archive", func(r *Rule) *time.Duration { return &r.ArchiveKeep }},
}

const ruleForm = `rules such as "vip: delete=never; test: inactive=1h delete=1d warn=never archive=7d"`

// ParseRules reads Policy.Rules: rules separated by semicolons, each with a tag, a colon, and thresholds. A threshold
// is a number with d, h, m or s, such as 90d or 1h30m, or never. Empty text and NoRules mean no rules. Errors are
// ErrInvalid.
func ParseRules(text string) ([]Rule, error) {
	if strings.TrimSpace(text) == NoRules {
		return nil, nil
	}
	var rules []Rule
	for _, part := range strings.Split(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		r, err := parseRule(part)
		if err != nil {
			return nil, fmt.Errorf("rule %.100q: %w", strings.TrimSpace(part), err)
		}
		if slices.ContainsFunc(rules, func(o Rule) bool { return o.Tag == r.Tag }) {
			return nil, invalid.Errorf("there are two rules for the tag %q: want one", r.Tag)
		}
		rules = append(rules, r)
	}
	if len(rules) > maxRules {
		return nil, invalid.Errorf("there are %d rules: want at most %d", len(rules), maxRules)
	}
	return rules, nil
}

func parseRule(text string) (r Rule, _ error) {
	i := strings.LastIndex(text, ":") // a tag may contain one, a threshold does not
	if i < 0 {
		return r, invalid.Errorf("there is no colon: want %s", ruleForm)
	}
	r.Tag = strings.TrimSpace(text[:i])
	if err := (TagChange{Add: []string{r.Tag}}).Validate(); err != nil {
		return r, err
	}
	for word := range strings.FieldsSeq(text[i+1:]) {
		name, value, _ := strings.Cut(word, "=")
		field := ruleField(&r, name)
		if field == nil {
			return r, invalid.Errorf("%q is not a threshold: want inactive=, delete=, warn= or archive=", word)
		}
		if *field != 0 {
			return r, invalid.Errorf("%s is given twice: want it once", name)
		}
		span, ok := parseSpan(value)
		if !ok {
			return r, invalid.Errorf("%s is %q: want a duration such as 90d or 12h, up to %s, or never", name, value, formatSpan(maxThreshold))
		}
		*field = span
	}
	if r == (Rule{Tag: r.Tag}) {
		return r, invalid.Errorf("it sets no threshold: want %s", ruleForm)
	}
	return r, nil
}

func ruleField(r *Rule, name string) *time.Duration {
	for _, f := range ruleFields {
		if f.name == name {
			return f.of(r)
		}
	}
	return nil
}

// parseSpan reads a threshold of a rule, and reports whether it can be read.
func parseSpan(text string) (d time.Duration, ok bool) {
	if text == "never" {
		return Never, true
	}
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n > 0 && n <= float64(maxThreshold/aDay)) {
			return 0, false
		}
		d, text = time.Duration(n*float64(aDay)), rest
	}
	if text != "" || d == 0 {
		more, err := time.ParseDuration(text)
		if err != nil {
			return 0, false
		}
		d += more
	}
	return d, d >= time.Second && d <= maxThreshold
}

// formatSpan writes a threshold as parseSpan reads it: "90d", "1h30m", "never".
func formatSpan(d time.Duration) string {
	if d == Never {
		return "never"
	}
	text := ""
	if days := d / aDay; days > 0 {
		text, d = fmt.Sprintf("%dd", days), d%aDay
	}
	if d > 0 || text == "" {
		text += d.String()
	}
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// String writes the rule as ParseRules reads it.
func (r Rule) String() string {
	words := []string{r.Tag + ":"}
	for _, f := range ruleFields {
		if d := *f.of(&r); d != 0 {
			words = append(words, f.name+"="+formatSpan(d))
		}
	}
	return strings.Join(words, " ")
}

// FormatRules writes rules in the form that ParseRules reads, in the order of their tags, and NoRules when there are
// none. Policies with equal rules have the same text.
func FormatRules(rules []Rule) string {
	if len(rules) == 0 {
		return NoRules
	}
	texts := make([]string, len(rules))
	for i, r := range slices.SortedFunc(slices.Values(rules), func(a, b Rule) int { return strings.Compare(a.Tag, b.Tag) }) {
		texts[i] = r.String()
	}
	return strings.Join(texts, "; ")
}

// rules are those of a valid policy, in the order of their tags.
func (p Policy) rules() []Rule {
	if p.Rules == "" {
		return nil
	}
	rules, err := ParseRules(p.Rules)
	if err != nil { // Validate was not called: like a threshold that is wrong, it counts for nothing
		return nil
	}
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Tag, b.Tag) })
	return rules
}

// RuleTags returns the tags that have a rule, in their order, or nil. Call it on a valid policy.
func (p Policy) RuleTags() []string {
	var tags []string
	for _, r := range p.rules() {
		tags = append(tags, r.Tag)
	}
	return tags
}

// with is the policy with the thresholds of a rule.
func (p Policy) with(r Rule) Policy {
	p = Policy{InactiveAfter: r.InactiveAfter, DeleteAfter: r.DeleteAfter, WarnBefore: r.WarnBefore, ArchiveKeep: r.ArchiveKeep}.Or(p)
	p.Rules = ""
	return p
}

// checkRules reports what is wrong with Policy.Rules.
func (p Policy) checkRules() error {
	rules, err := ParseRules(p.Rules)
	if err != nil {
		return fmt.Errorf("Policy.Rules: %w", err)
	}
	for _, r := range rules {
		full := p.with(r).WithDefaults()
		if full.WarnBefore != Never && full.DeleteAfter != Never && full.WarnBefore >= full.DeleteAfter {
			return invalid.Errorf("Policy.Rules: with the rule %q, WarnBefore is %s: want less than DeleteAfter, %s",
				r, formatSpan(full.WarnBefore), formatSpan(full.DeleteAfter))
		}
	}
	return nil
}

// follows returns an errors.ErrUnsupported unless a store measures sessions by the policy's rules, if it has any.
func (p Policy) follows(store Store) error {
	if len(p.rules()) == 0 {
		return nil
	}
	if follower, ok := StoreAs[RuleFollower](store); ok && follower.FollowsRules() {
		return nil
	}
	for {
		wrapper, ok := store.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		store = wrapper.Unwrap()
	}
	return fmt.Errorf("Policy.Rules is %q, but %T does not follow rules by tag: %w", p.Rules, store, errors.ErrUnsupported)
}
