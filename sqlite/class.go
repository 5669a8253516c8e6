package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// The class of a session consists of its tags that have a rule in the stored policy, separated by spaces; NULL without any. The
// sessions table has it in classColumn, which Migrate adds with the first rule, so that each class is one range of an index.
//
// A trigger notes a session whose tags change, and runs write its new class. So a session without a note has the right class,
// unless runs are still going through the tags of new rules. Until they are done, and for rules that are not stored,
// queries read the tags of every session. Writes always check the tags.

// classColumn is a column of the library's: catalogs leave it out.
const classColumn = "sessioncleanup_class"

var _ sessioncleanup.RuleFollower = (*Store)(nil)

// FollowsRules is true: each session is measured by its tags.
func (*Store) FollowsRules() bool { return true }

var errUnclassed = fmt.Errorf("%w: the column %s of the sessions is gone; run migrate", sessioncleanup.ErrNotInstalled, classColumn)

// measure is how a question measures sessions by their tags.
type measure struct {
	cut      sessioncleanup.Cutoffs
	classes  []string // that sessions have
	byColumn bool     // the column has the class of each session without a note
	given    params   // the cutoffs of each class
	plain    *layout  // measures by the cutoffs of no class
}

// ruled has the statements of a question measure each session by the cutoffs of its class.
func (c *conn) ruled(ctx context.Context, cut sessioncleanup.Cutoffs, protected bool) error {
	if len(cut.Rules) == 0 && !c.adopted.Classed {
		return nil
	}
	m := measure{cut: cut, given: params{}, plain: c.layout}
	tags := sqlstore.RuleTags(cut)
	var err error
	if c.adopted.Classed {
		if m.byColumn, err = c.classifies(ctx, tags); err != nil {
			return err
		}
	}
	statement := c.classes(protected)
	if !m.byColumn {
		statement, m.given["ruled"] = c.sql("asked_classes", nil), sqlstore.JSON(tags)
	}
	if m.classes, err = c.texts(ctx, statement, m.given); err != nil {
		return err
	}
	c.layout = c.measuredBy(&m)
	return nil
}

// measuredBy is the layout with rules that measure each session by its class.
func (l *layout) measuredBy(m *measure) *layout {
	for i, of := range append([]sessioncleanup.Cutoffs{m.cut}, m.cutoffs()...) {
		for name, value := range cutoffParams(of) {
			m.given[fmt.Sprintf("%s_%d", name, i)] = value
		}
		if i > 0 {
			m.given[fmt.Sprintf("class_%d", i)] = m.classes[i-1]
		}
	}
	out := *l
	out.measure = m
	n := with(l.names, sqlfile.Names{"noted_class": l.names["asked_class"], "measured_class": l.names["asked_class"]})
	if m.byColumn {
		n["noted_class"], n["measured_class"] = n["true_class"], n["class"]
	}
	l.addRules(n, m.by(n["measured_class"]))
	if l.noted != nil {
		l.addNotes(n, n["reactivate"])
		out.noted = with(l.noted, nil)
		l.addRules(out.noted, m.by(l.noted["class"]))
	}
	out.names = n
	return &out
}

// cutoffs are those of each class.
func (m *measure) cutoffs() (all []sessioncleanup.Cutoffs) {
	for _, class := range m.classes {
		all = append(all, m.cut.For(strings.Fields(class)))
	}
	return all
}

// by returns the expressions for the cutoffs of a session, by its class.
func (m *measure) by(class string) func(cutoff string) string {
	return func(name string) string {
		if len(m.classes) == 0 {
			return ":" + name + "_0"
		}
		var text strings.Builder
		fmt.Fprintf(&text, "(CASE %s", class)
		for i := range m.classes {
			fmt.Fprintf(&text, " WHEN :class_%d THEN :%s_%d", i+1, name, i+1)
		}
		fmt.Fprintf(&text, " ELSE :%s_0 END)", name)
		return text.String()
	}
}

// cutoffParams are the parameters that sessions are measured against.
func (l *layout) cutoffParams(c sessioncleanup.Cutoffs) params {
	p := cutoffParams(c)
	if l.measure != nil {
		maps.Copy(p, l.measure.given)
	}
	return p
}

// classes is the statement that reads the classes of sessions, in their order; those that only protected sessions have
// if that is asked for.
func (l *layout) classes(ofProtected bool) string {
	names := sqlfile.Names{"of_protected": ""}
	if ofProtected {
		names["of_protected"] = "\n " + l.sql("classes_of_protected", nil)
	}
	return l.sql("classes", names)
}

// classifies reports whether the column says of each session without a note which of some tags it has.
func (c *conn) classifies(ctx context.Context, tags []string) (bool, error) {
	known, settled := map[string]bool{}, true
	err := c.query(ctx, statements["rule_tags"], nil, func(rows *sql.Rows) error {
		var tag string
		var leaving, done bool
		err := rows.Scan(&tag, &leaving, &done)
		known[tag], settled = !leaving, settled && done
		return err
	})
	return (settled || len(tags) == 0) && !slices.ContainsFunc(tags, func(tag string) bool { return !known[tag] }), err
}

// stretches is the statement that selects what has a status, from the stretch of an index for each class, and for no class.
func (l *layout) stretches(status sessioncleanup.Status, columns, condition string) string {
	name := "rows_" + string(status)
	if l.measure == nil {
		return l.sql(name, sqlfile.Names{"columns": columns, "condition": condition, "of_class": ""})
	}
	plain := l.measure.plain
	parts := []string{plain.sql(name, sqlfile.Names{"columns": columns, "condition": condition + l.names["if_unclassed"], "of_class": ""})}
	for i := range l.measure.classes {
		at := func(name string) string { return fmt.Sprintf(":%s_%d", name, i+1) }
		n := with(plain.names, sqlfile.Names{
			"columns": columns, "of_class": "class_",
			"condition": fmt.Sprintf("%s AND %s = %s AND %s", condition, plain.names["class"], at("class"), plain.names["has_class"]),
		})
		l.addRules(n, at)
		parts = append(parts, filled(name, n))
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

// tagTriggers note sessions whose tags change.
func (l *layout) tagTriggers() (all []object) {
	for _, on := range []struct {
		event string
		rows  []string
	}{{"insert", []string{"NEW"}}, {"delete", []string{"OLD"}}, {"update", []string{"NEW", "OLD"}}} {
		var has, retagged []string
		for _, row := range on.rows {
			has = append(has, fmt.Sprintf("EXISTS (SELECT 1 FROM sessioncleanup_rules WHERE tag = %s.tag)", row))
			retagged = append(retagged, "SELECT "+l.adopted.ID.fromText(row+".session_id")+" AS id")
		}
		all = append(all, object{"trigger", "sessioncleanup_tag_" + on.event, tagsTable, filled("trigger_tag", sqlfile.Names{
			"event": on.event, "tag_has_rule": strings.Join(has, " OR "), "retagged": strings.Join(retagged, " UNION "),
		})})
	}
	return all
}

// As foldStep and foldFor.
const (
	classStep = 100
	classFor  = 20 * time.Millisecond
)

// How long Migrate may class sessions, and a change of the policy.
const (
	classAll    = time.Duration(math.MaxInt64)
	classAtOnce = 5 * time.Second
)

// setRuleTags has the column follow exactly some tags, or these as well. It returns whether sessions are to be classed.
func (c *conn) setRuleTags(ctx context.Context, tags []string, exactly bool) error {
	p := params{"ruled": sqlstore.JSON(sqlstore.List(tags))}
	_, err := c.exec(ctx, statements["add_rule_tags"], p)
	if err == nil && exactly {
		_, err = c.exec(ctx, statements["drop_rule_tags"], p)
	}
	return err
}

// storeRules stores the policy's rules as the views measure by them.
func (c *conn) storeRules(ctx context.Context, p sessioncleanup.Policy) error {
	type rule struct {
		Tag                               string
		Inactive, Delete, Warned, Archive any // seconds
	}
	cut, all := p.CutoffsAt(c.clock()), []rule{}
	before := func(at time.Time) any {
		if at.IsZero() {
			return nil
		}
		return cut.Now.Sub(at).Seconds()
	}
	for _, r := range cut.Rules {
		all = append(all, rule{r.Tag, before(r.Inactive), before(r.Delete), before(r.Warned), seconds(p.ArchiveKeepOf([]string{r.Tag}))})
	}
	_, err := c.exec(ctx, statements["forget_stored_rules"], nil)
	if err == nil {
		_, err = c.exec(ctx, statements["store_rules"], params{"rules": sqlstore.JSON(all)})
	}
	return err
}

// classTagged sets the column for sessions with tags whose rule is new or gone, for classFor, and reports whether there are more.
func (c *conn) classTagged(ctx context.Context) (classed int, more bool, err error) {
	started := time.Now()
	for step := classStep; ; step *= 2 {
		var tag, after string
		var leaving bool
		err := c.row(ctx, statements["next_rule_tag"], nil, &tag, &leaving, &after)
		if errors.Is(err, sql.ErrNoRows) {
			return classed, false, nil
		}
		if err != nil {
			return classed, false, err
		}
		if time.Since(started) >= classFor/2 {
			return classed, true, nil
		}
		ids, err := c.texts(ctx, statements["next_tagged"], params{"tag": tag, "after": after, "limit": step})
		if err != nil {
			return classed, false, err
		}
		var next any
		if len(ids) > 0 {
			next = ids[len(ids)-1]
			if err := c.class(ctx, ids); err != nil {
				return classed, false, err
			}
		}
		if classed++; len(ids) == 0 && leaving {
			_, err = c.exec(ctx, statements["forget_rule_tag"], params{"tag": tag})
		} else {
			_, err = c.exec(ctx, statements["classed_up_to"], params{"tag": tag, "after": next})
		}
		if err != nil {
			return classed, false, err
		}
	}
}

// class sets the column of some sessions. Where a constraint or a trigger of the application refuses that, it stays as it is.
func (c *conn) class(ctx context.Context, ids []string) error {
	err := c.savepoint(ctx, func() error {
		_, err := c.exec(ctx, c.sql("class_sessions", nil), c.listOf(ids))
		return err
	})
	switch {
	case !constraint(err):
		return err
	case len(ids) == 1:
		return nil
	}
	for _, id := range ids {
		if err := c.class(ctx, []string{id}); err != nil {
			return err
		}
	}
	return nil
}

// reclass has the column follow the tags that have a rule, in short transactions: of all sessions, or for as long as it may take. Runs do the rest.
func (s *Store) reclass(ctx context.Context, atMost time.Duration) error {
	started := time.Now()
	for more := true; more && time.Since(started) < atMost; {
		err := s.writingSessions(ctx, func(c *conn) (err error) {
			if c.adopted.Classed {
				_, more, err = c.classTagged(ctx)
			} else {
				more = false
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
