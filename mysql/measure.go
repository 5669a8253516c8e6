package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

var _ sessioncleanup.RuleFollower = (*Store)(nil)

// FollowsRules returns true: each session is measured by its tags.
func (*Store) FollowsRules() bool { return true }

// measure is how a question measures sessions by their tags: each session gets the number of its tags among those that
// have a rule, and so its cutoffs. Tags that were given in this moment have none, and nothing is due of a session with
// them.
type measure struct {
	cut     sessioncleanup.Cutoffs
	tags    [][]string // by their numbers; 0 are none
	byClass bool       // the classes say which tags the sessions have, but for those that were tagged since
	inTable string     // the number, for a row of the table
	given   params
}

// The cutoffs in the rules, and their parameters.
var plainCutoffs = cutoffNames(func(name string) string { return ":" + name })

func cutoffNames(of func(name string) string) sqlfile.Names {
	names := sqlfile.Names{}
	for _, name := range []string{"inactive", "delete", "warn", "warned", "given_up"} {
		names["cut_"+name] = of(name)
	}
	return names
}

// ruled has the statements of a question measure each session by the cutoffs of its tags.
func (c *conn) ruled(ctx context.Context, cut sessioncleanup.Cutoffs) error {
	if len(cut.Rules) == 0 {
		return nil
	}
	m := &measure{cut: cut, tags: [][]string{nil}, given: params{}}
	asked := sqlstore.RuleTags(cut)
	known, err := c.ruleTags(ctx)
	if err != nil {
		return err
	}
	m.byClass = known.follow(asked)
	moved := true
	var classes map[int64][]string
	if m.byClass {
		if classes, err = c.classes(ctx); err == nil {
			err = c.row(ctx, statements["any_retagged"], nil, &moved)
		}
		if err != nil {
			return err
		}
	}
	var byTags string
	if moved {
		if byTags, err = c.numbersByTags(ctx, m, asked); err != nil {
			return err
		}
	}
	m.inTable = byTags
	if m.byClass {
		m.inTable = c.numbersByClass(m, classes, asked)
		if moved {
			m.inTable = c.sql("number_unless_retagged", sqlfile.Names{"by_tags": byTags, "by_class": m.inTable})
		}
	}
	for i := range m.tags {
		for name, value := range cutoffParams(m.numbered(sql.NullInt64{Int64: int64(i), Valid: true})) {
			m.given[fmt.Sprint(name, "_", i)] = value
		}
	}
	c.layout = c.measuredBy(m, moved)
	return nil
}

// number is that of some tags, which it gets now if it has none.
func (m *measure) number(tags []string) int {
	i := slices.IndexFunc(m.tags, func(have []string) bool { return slices.Equal(have, tags) })
	if i < 0 {
		i, m.tags = len(m.tags), append(m.tags, tags)
	}
	return i
}

// numbered are the cutoffs of the sessions with a number.
func (m *measure) numbered(number sql.NullInt64) sessioncleanup.Cutoffs {
	if !number.Valid {
		return sessioncleanup.Cutoffs{Now: m.cut.Now}
	}
	return m.cut.For(m.tags[number.Int64])
}

// numbersByTags is the expression that looks at the tags of a session themselves.
func (c *conn) numbersByTags(ctx context.Context, m *measure, asked []string) (string, error) {
	of := "all_tagged"
	if m.byClass {
		of = "all_retagged"
	}
	m.given["ruled"] = sqlstore.List(asked)
	var text strings.Builder
	fmt.Fprintf(&text, "CASE COALESCE(%s, '') WHEN '' THEN 0", c.sql("asked_tags", nil))
	err := c.query(ctx, c.sql("asked_of_all", sqlfile.Names{"of_those": statements[of]}), m.given, func(rows *sql.Rows) error {
		var tags string
		err := rows.Scan(&tags)
		number := m.number(strings.Fields(tags))
		name := fmt.Sprint("tags_of", number)
		m.given[name] = tags
		fmt.Fprintf(&text, " WHEN :%s THEN %d", name, number)
		return err
	})
	return text.String() + " END", err
}

// numbersByClass is the expression for sessions whose class is right.
func (c *conn) numbersByClass(m *measure, classes map[int64][]string, asked []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "CASE WHEN %s IS NULL THEN 0", column(classColumn))
	for class, all := range classes {
		tags := slices.DeleteFunc(slices.Clone(all), func(tag string) bool { return !slices.Contains(asked, tag) })
		fmt.Fprintf(&text, " WHEN %s = %d THEN %d", column(classColumn), class, m.number(tags))
	}
	return text.String() + " END"
}

// measuredBy is the layout with rules that measure each session.
func (l *layout) measuredBy(m *measure, looksUp bool) *layout {
	by := func(number string) sqlfile.Names {
		return cutoffNames(func(name string) string {
			var text strings.Builder
			fmt.Fprintf(&text, "CAST(CASE %s", number)
			for i := range m.tags {
				fmt.Fprintf(&text, " WHEN %[1]d THEN :%[2]s_%[1]d", i, name)
			}
			return text.String() + " END AS DATETIME(6))"
		})
	}
	out := *l
	out.measure = m
	out.names = with(l.names, with(by("t.cut_no"), sqlfile.Names{
		"measured": ", " + m.inTable + " AS cut_no", "moved": statements["moved_or_retagged"], "and_not_retagged": l.sql("not_retagged", nil),
		"profiled_tags": l.names["tags_of"],
	}))
	out.names["unmoved"] = out.sql("unmoved", nil)
	if looksUp { // else the server would do that for each use of the number
		out.names["at_once"] = " LIMIT 18446744073709551615"
	}
	out.seenRules = out.rules(asSeen)
	out.tableRules = out.rules(with(l.inTable(), by(m.inTable)))
	return &out
}

// cutoffsOf are the cutoffs by which the sessions of a stretch may be due.
func (l *layout) cutoffsOf(cut sessioncleanup.Cutoffs) func(stretch) sessioncleanup.Cutoffs {
	switch m := l.measure; {
	case m == nil:
		return func(stretch) sessioncleanup.Cutoffs { return cut }
	case m.byClass:
		return func(s stretch) sessioncleanup.Cutoffs { return cut.For(s.tags) }
	default:
		latest := cut.Latest()
		return func(stretch) sessioncleanup.Cutoffs { return latest }
	}
}
