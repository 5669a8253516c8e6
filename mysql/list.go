package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// places maps each order of a list to the named expression in sql/ that sorts it.
var places = map[sessioncleanup.Sort]string{
	sessioncleanup.SortLastActivity: "place_last_activity",
	sessioncleanup.SortCreated:      "place_created",
	sessioncleanup.SortName:         "place_name",
}

// noPlace is the sort key of sessions without a time of creation.
var noPlace = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)

// List returns the sessions that match the query, in its order. A list by last activity or by creation time is read
// along an index, and so is a list of what is due. A list by name reads every session, or all sessions of the owner.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	q, err := sqlstore.Checked(q)
	if err != nil {
		return sessioncleanup.Page{}, err
	}
	return sqlstore.Answer(ctx, s.readingSessions, func(c *conn) (page sessioncleanup.Page, err error) {
		now, err := c.now(ctx)
		if err != nil {
			return page, err
		}
		page.Cutoffs = c.cutoffsAt(q.Thresholds, now)
		if q.Status != "" {
			if err := c.ruled(ctx, page.Cutoffs); err != nil {
				return page, err
			}
		}
		names, p, possible := c.where(q.Filter, q.Status, page.Cutoffs)
		if !possible {
			return page, nil
		}
		few := false
		if dues := duesOf[q.Status]; len(dues) > 0 && q.ID == "" && q.Limit > 0 {
			ranges, err := c.narrow(ctx, names, dues, page.Cutoffs, p)
			if err == nil {
				few, err = c.few(ctx, ranges, p)
			}
			if err != nil {
				return page, err
			}
		}
		if q.CountUpTo > 0 {
			if page.Total, err = c.count(ctx, q, page.Cutoffs); err != nil {
				return page, err
			}
		}
		if q.Limit > 0 {
			page.Sessions, page.Next, err = c.page(ctx, q, names, p, few, now)
		}
		return page, err
	})
}

// count counts the sessions that match a query, up to q.CountUpTo. For a status that means "due", it counts along the
// indexes what the table says is due, one index at a time, and then adds the sessions that only their notes make match.
func (c *conn) count(ctx context.Context, q sessioncleanup.Query, cut sessioncleanup.Cutoffs) (total int, err error) {
	names, p, possible := c.where(q.Filter, q.Status, cut)
	if !possible {
		return 0, nil
	}
	add := func(statement string) error {
		if p["count_up_to"] = q.CountUpTo - total; total >= q.CountUpTo {
			return nil
		}
		var count int
		err := c.row(ctx, c.sql(statement, names), p, &count)
		total += count
		return err
	}
	dues := duesOf[q.Status]
	switch {
	case q.Status == "":
		return total, add("count_rows")
	case len(dues) == 0 || q.ID != "":
		return total, add("count")
	}
	for _, due := range dues {
		if _, err := c.narrow(ctx, names, []dueBy{due}, cut, p); err != nil {
			return 0, err
		}
		if err := add("count_due"); err != nil {
			return 0, err
		}
	}
	return total, add("count_moved")
}

// narrow limits a set of sessions to those that are due in the given ways. In names it sets quiet_status, the condition
// on the table's own columns, and due_in_table, the condition for the last of the ways. It returns the index range of
// each way.
func (c *conn) narrow(ctx context.Context, names sqlfile.Names, dues []dueBy, cut sessioncleanup.Cutoffs, p params) (ranges []string, err error) {
	all, err := c.stretches(ctx)
	if err != nil {
		return nil, err
	}
	var ways, parts []string
	for _, due := range dues { // each in its index: of both together the server would read more
		ranges = append(ranges, c.dueRanges(all, due, c.cutoffsOf(cut), p))
		names["quiet_status"] = c.tableRules[due.rule] + " AND " + ranges[len(ranges)-1]
		names["due_in_table"] = c.sql("due_in_table", names)
		ways, parts = append(ways, names["quiet_status"]), append(parts, c.sql("some_due", names))
	}
	names["quiet_status"], names["all_due"] = "("+strings.Join(ways, " OR ")+")", strings.Join(parts, "\nUNION ")
	for name, members := range map[string]string{"seen": "members_due", "moved_seen": "members_moved"} {
		names[name] = c.seen(sqlfile.Names{
			"prefilter": names["filter"], "members": "(" + c.sql(members, names) + ") AS m STRAIGHT_JOIN", "members_on": "ON " + c.names["id"] + " = m.id",
		})
	}
	return ranges, nil
}

// few reports whether the index ranges together hold at most fewSessions sessions.
func (c *conn) few(ctx context.Context, ranges []string, p params) (bool, error) {
	total := 0
	for _, condition := range ranges {
		var found int
		p["few"] = fewSessions + 1
		if err := c.row(ctx, c.sql("count_range", sqlfile.Names{"range": condition}), p, &found); err != nil {
			return false, err
		}
		total += found
	}
	return total <= fewSessions, nil
}

// cutoffsAt returns the cutoffs at now for a query on this table.
func (l *layout) cutoffsAt(t sessioncleanup.Thresholds, now time.Time) sessioncleanup.Cutoffs {
	cut := t.At(now)
	cut.Untracked = l.untracked()
	return cut
}

// cutoffParams returns the cutoffs as parameters of the rules. A zero cutoff becomes NULL; no time is before NULL.
func cutoffParams(c sessioncleanup.Cutoffs) params {
	p := params{
		"now": c.Now, "inactive": nullTime(c.Inactive), "delete": nullTime(c.Delete), "ahead": c.Ahead(), "recent": nullTime(c.Recent()),
		"warn": nullTime(c.Warn), "warned": nullTime(c.Warned), "given_up": nullTime(c.GivenUp), "expired": c.Now,
	}
	if c.Inactive.IsZero() {
		p["expired"] = nil
	}
	return p
}

func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// cutoffParams returns the parameters of the rules, including those of sessions with rules by tag.
func (l *layout) cutoffParams(c sessioncleanup.Cutoffs) params {
	p := cutoffParams(c)
	if l.measure != nil {
		maps.Copy(p, l.measure.given)
	}
	return p
}

// where returns the statement parts and parameters that select the sessions with a filter and a status. It returns
// false when no session can match.
func (l *layout) where(f sessioncleanup.Filter, status sessioncleanup.Status, cut sessioncleanup.Cutoffs) (sqlfile.Names, params, bool) {
	p, names := l.cutoffParams(cut), maps.Clone(l.seenRules)
	conditions, prefilters, notes := []string{"TRUE"}, []string{"TRUE"}, ""
	if f.ID != "" {
		id, ok := l.adopted.ID.bind(f.ID)
		if !ok {
			return nil, nil, false
		}
		p["id"], p["ids"] = id, []any{id}
		conditions = append(conditions, l.adopted.ID.same("t.id", ":id"))
		prefilters, notes = append(prefilters, l.adopted.ID.same(l.names["id"], ":id")), "WHERE session IN (:ids)"
	}
	if f.OwnerID != "" {
		owner, ok := l.adopted.Owner.bind(f.OwnerID)
		if !ok || l.schema.Owner == "" {
			return nil, nil, false
		}
		p["owner"] = owner
		conditions = append(conditions, l.adopted.Owner.same("t.owner", ":owner"))
		prefilters = append(prefilters, l.adopted.Owner.same(l.names["owner"], ":owner"))
	}
	if f.Text != "" {
		p["text"] = f.Text
		conditions = append(conditions, filled("with_text", sqlfile.Names{"name_text": "t.name_text", "code_text": "t.code_text", "id_text": "t.id_text"}))
		prefilters = append(prefilters, l.sql("with_text", nil))
	}
	for i, word := range strings.Fields(f.Tags) {
		name := fmt.Sprint("tags", i)
		seen, inTable := l.tagged(word, ":"+name)
		p[name] = tagsOf(word)
		conditions, prefilters = append(conditions, seen), append(prefilters, inTable)
	}
	names["filter"] = strings.Join(prefilters, " AND ")
	if status != "" {
		conditions = append(conditions, names["status_"+string(status)])
	}
	names["seen"] = l.seen(sqlfile.Names{"prefilter": names["filter"], "notes_where": notes})
	names["condition"] = strings.Join(conditions, " AND ")
	return names, p, true
}

// asSeen names the values that the rules depend on after notes of activity are applied.
var asSeen = sqlfile.Names{
	"its_active": "t.active", "its_auto_cleanup": "t.auto_cleanup", "its_last_activity": "t.last_activity", "its_expires_at": "t.expires_at",
	"its_deactivated_at": "t.deactivated_at", "its_id": "t.id_text",
}

// inTable names the same values as the table of sessions stores them. Notes only ever make a session due later.
func (l *layout) inTable() sqlfile.Names {
	return sqlfile.Names{
		"its_active": l.names["active"], "its_auto_cleanup": l.names["auto_cleanup"],
		"its_last_activity": "COALESCE(" + l.names["last_activity"] + ", TIMESTAMP'9000-01-01 00:00:00')",
		"its_expires_at":    l.names["expires_at"], "its_deactivated_at": l.names["deactivated_at"],
		"its_id": l.names["id_text"],
	}
}

// rules returns the conditions of the lifecycle, filled in for one set of values.
func (l *layout) rules(its sqlfile.Names) sqlfile.Names {
	names := sqlfile.Names{}
	for _, rule := range []string{
		"running", "ended", "kept_since", "tracked", "has_notice", "warned_enough", "due_idle", "due_expired", "due_gone", "due_to_warn", "due_undated",
		"due_ahead", "never_due", "status_to_deactivate", "status_to_delete", "status_active", "status_inactive", "status_to_warn", "status_waiting",
		"status_protected",
	} {
		names[rule] = filled(rule, with(with(l.names, its), names))
	}
	return names
}

// Counts returns the figures of the sessions that match the filter. It reads every session, or all sessions of the
// owner.
func (s *Store) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	return sqlstore.Answer(ctx, s.readingSessions, func(c *conn) (counts sessioncleanup.Counts, err error) {
		now, err := c.now(ctx)
		if err != nil {
			return counts, err
		}
		counts.Cutoffs = c.cutoffsAt(q.Thresholds, now)
		if err := c.ruled(ctx, counts.Cutoffs); err != nil {
			return counts, err
		}
		names, p, possible := c.where(q.Filter, "", counts.Cutoffs)
		if !possible {
			return counts, nil
		}
		if names["counted_id"] = "''"; counts.Cutoffs.Warns() { // warnings are found by it
			names["counted_id"] = "t.id_text"
		}
		names["figures_of"], names["figures_grouped"] = "0", ""
		if c.measure != nil {
			names["figures_of"], names["figures_grouped"] = "t.cut_no", " GROUP BY t.cut_no"
		}
		err = c.query(ctx, c.sql("counts", names), p, func(rows *sql.Rows) error { return c.addFigures(&counts, rows) })
		counts.Inactive = counts.Total - counts.Active
		return counts, err
	})
}

// addFigures adds the figures of one group of sessions, which share their cutoffs.
func (l *layout) addFigures(counts *sessioncleanup.Counts, rows *sql.Rows) error {
	var number sql.NullInt64
	return sqlstore.AddFigures(counts, rows, &number, func() sessioncleanup.Cutoffs {
		if l.measure == nil {
			return counts.Cutoffs
		}
		return l.measure.numbered(number)
	})
}
