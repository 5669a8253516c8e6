package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds how sessions are measured by the rules for their tags. See also migrations/postgres/classes.sql.

// classColumn is the column of the sessions' table that has their classes. It is none of the application's.
const classColumn = "sessioncleanup_class"

var _ sessioncleanup.RuleFollower = (*Store)(nil)

// FollowsRules returns true: each session is measured by its tags.
func (*Store) FollowsRules() bool { return true }

// fillRules makes the placeholders for what depends on tags: those of functions, and m.ruled for questions with rules.
func (m *mapping) fillRules() {
	n := m.names
	const inCall, inQuery = "p_rules", "$3::text::jsonb"
	its := sqlfile.Names{"its_tags": fmt.Sprintf("ARRAY(SELECT t.tag FROM %s t WHERE t.session_id OPERATOR(pg_catalog.=) s.%s)", n["tags"], n["id"])}
	byTags := func(rules string, tags sqlfile.Names) string {
		return m.statement("by_tags", sqlfile.Names{"longest": m.statement("longest", tags, sqlfile.Names{"rules": rules})})
	}
	byAll := func(rules string) string {
		return m.statement("by_tags_of_all", sqlfile.Names{"rules": rules}) + "\n" + m.statement("by_tags", sqlfile.Names{"longest": "(SELECT v_rule.*)"})
	}
	m.fillTagColumns()
	n["retagged_since"], n["its_class"], n["cut_base"] = m.statement("retagged_since"), m.statement("its_class"), m.statement("cut_base")
	n["notice_tags"] = m.statement("notice_tags", sqlfile.Names{"notice": "n"})
	n["longest_of_notice"] = m.statement("longest", sqlfile.Names{"rules": "$4::text::jsonb", "its_tags": m.statement("notice_tags", sqlfile.Names{"notice": "o"})})
	n["by_tags"], n["by_class"] = byTags(inCall, its), byTags(inCall, sqlfile.Names{"its_tags": "string_to_array(v_class, ' ')"})
	n["by_tags_of_policy"] = byAll("(SELECT c.rules FROM " + n["space"] + ".sessioncleanup_cutoffs() c)")
	n["rule_moments"] = m.statement("rule_moments")
	n["parsed_rules"] = m.statement("parsed_rules", sqlfile.Names{"rules_text": "p_rules"})
	n["policy_rules"] = m.statement("parsed_rules", sqlfile.Names{"rules_text": "p.rules"})
	for field, value := range map[string]string{
		"inactive": "coalesce(p_inactive_after, p.inactive_after)", "delete": "coalesce(p_delete_after, p.delete_after)", "warn": "p.warn_before", "archive": "p.archive_keep",
	} {
		n["span_"+field] = m.statement("span", sqlfile.Names{"field": sqlfile.Column(field), "policy_value": value})
	}
	n["purgeable"] = m.statement("purgeable", sqlfile.Names{"until": "$4::timestamptz", "purge_rules": "$8::text::jsonb"})
	n["purgeable_now"] = m.statement("purgeable", sqlfile.Names{"until": "p_before", "purge_rules": inCall})
	n["purgeable_by_bound"] = m.statement("purgeable", sqlfile.Names{"until": "v_allowed", "purge_rules": "v_rules"})
	n["purgeable_by_policy"] = m.statement("purgeable", sqlfile.Names{"until": "v_cut.now - v_policy.archive_keep", "purge_rules": "w.rules"})
	m.fillBatches()
	n["cut"] = m.statement("cut")
	n["cut_of_all"] = m.statement("cut_once")
	n["profiled"] = m.statement("profiled")
	m.ruled = maps.Clone(n)
	m.ruled["cut"] = n["cut_base"] + "\n" + byTags(inQuery, its)
	m.ruled["cut_of_all"] = n["cut_base"] + "\n" + byAll(inQuery)
	m.ruled["profiled"] = m.statement("profiled", m.ruled)
}

// fillBatches makes the placeholders for how batches find sessions, without a class and in one.
func (m *mapping) fillBatches() {
	classed := sqlfile.Names{"of_class": "s." + m.names["class"] + " = v_class"}
	unclassed := sqlfile.Names{"of_class": "s." + m.names["class"] + " IS NULL"}
	for _, block := range []string{"sweep_idle", "sweep_expired", "sweep_gone", "warn_some"} {
		m.names[block], m.names[block+"_classed"] = m.statement(block, unclassed), m.statement(block, classed)
	}
	for _, kind := range []string{"active", "classed", "inactive"} {
		m.names["sweep_ahead_"+kind] = m.statement("sweep_ahead_some", sqlfile.Names{"those": m.names["ahead_"+kind]})
	}
	m.names["sweep_ahead"] = m.statement("sweep_ahead")
}

// measuring has the placeholders for questions with these thresholds.
func (m *mapping) measuring(t sessioncleanup.Thresholds) sqlfile.Names {
	if len(t.Rules) > 0 {
		return m.ruled
	}
	return nil
}

// dueAmong has sessions that may have a status found by the indexes of the classes, where there are some.
func (m *mapping) dueAmong(status sessioncleanup.Status) sqlfile.Names {
	maybe := map[sessioncleanup.Status]string{
		sessioncleanup.StatusToDeactivate: "maybe_due_to_deactivate", sessioncleanup.StatusToDelete: "maybe_due_to_delete",
		sessioncleanup.SelectToWarn: "maybe_due_to_warn", sessioncleanup.SelectWaiting: "maybe_due_to_delete",
	}[status]
	if maybe == "" {
		return sqlfile.Names{"among": m.names["sessions"]}
	}
	return sqlfile.Names{"among": m.statement("among_due", sqlfile.Names{"maybe_due": m.statement(maybe)})}
}

// dueArgs are readArgs for a question about what has a status. Before all sessions with the rules' tags were gone
// through, those without a class may be due as early as any.
func (s *Store) dueArgs(ctx context.Context, m *mapping, q *sessioncleanup.Query) ([]any, error) {
	t := q.Thresholds
	args := readArgs(q.Filter, t)
	if len(t.Rules) == 0 || q.Status == "" {
		return args, nil
	}
	var walked bool
	if err := s.pool.QueryRow(ctx, m.statement("rules_walked"), args[2]).Scan(&walked); err != nil || walked {
		return args, err
	}
	args[1] = spans(t.At(time.Now()), true)
	return args, nil
}

// spans are how long before now the moments of Cutoffs lie, in the order of cut_base, and then those before which
// sessions without a class may be due: with early as soon as any.
func spans(c sessioncleanup.Cutoffs, early bool) (all []*int64) {
	last := c
	if early {
		last = c.Latest()
	}
	for _, at := range []time.Time{c.Inactive, c.Delete, c.Warn, c.Warned, c.GivenUp, last.Inactive, last.Delete, last.Warn} {
		all = append(all, before(c, at))
	}
	return all
}

// before is how long before now a moment lies, in milliseconds; nil when there is none.
func before(c sessioncleanup.Cutoffs, at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	return new(c.Now.Sub(at).Milliseconds())
}

// rulesOf are the rules of cutoffs as functions take them: in milliseconds before now, without a time for never.
func rulesOf(c sessioncleanup.Cutoffs) string {
	type rule struct {
		Tag      string `json:"tag"`
		Inactive *int64 `json:"inactive"`
		Delete   *int64 `json:"delete"`
		Warned   *int64 `json:"warned"`
		Proceed  bool   `json:"proceed"`
	}
	all := []rule{}
	for _, r := range c.Rules {
		all = append(all, rule{r.Tag, before(c, r.Inactive), before(c, r.Delete), before(c, r.Warned), c.Proceed})
	}
	return asJSON(all)
}

// purgeRulesOf are rules for the archive as statements take them.
func purgeRulesOf(rules []sessioncleanup.PurgeRule) string {
	type rule struct {
		Tag    string     `json:"tag"`
		Before *time.Time `json:"before"`
	}
	all := []rule{}
	for _, r := range rules {
		all = append(all, rule{r.Tag, moment(r.Before)})
	}
	return asJSON(all)
}

func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // tags, numbers and times
	}
	return string(data)
}
