package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// List gives sessions. What is due is found through an index; other filters and orders read the table.
func (s *Store) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	l, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Page{}, err
	}
	if q.ID != "" && !l.isID(q.ID) || q.OwnerID != "" && !l.isOwner(q.OwnerID) || l.neverMatches(q) {
		return sessioncleanup.Page{}, nil
	}
	var page sessioncleanup.Page
	if q.Limit > 0 {
		if page.Sessions, page.Next, err = s.page(ctx, l, q); err != nil {
			return sessioncleanup.Page{}, s.failed("list sessions", err)
		}
	}
	if q.CountUpTo > 0 {
		sql, args := l.countSQL(q)
		if err := s.pool.QueryRow(ctx, sql, planned(args)...).Scan(&page.Total); err != nil {
			return sessioncleanup.Page{}, s.failed("count sessions", err)
		}
	}
	return page, nil
}

// neverMatches reports whether a filter cannot hold: a phase that is off has nothing due, and no text has a NUL in it.
func (l *layout) neverMatches(q sessioncleanup.Query) bool {
	return q.Status == sessioncleanup.StatusToDeactivate && q.Cutoffs.Inactive.IsZero() ||
		q.Status == sessioncleanup.StatusToDelete && q.Cutoffs.Delete.IsZero() ||
		strings.ContainsRune(q.Text, 0)
}

// selection is the FROM and WHERE of a query under construction.
type selection struct {
	from  string
	where []string
	args  []any
}

func (sel *selection) arg(v any) string {
	sel.args = append(sel.args, v)
	return fmt.Sprintf("$%d", len(sel.args))
}

func (l *layout) selection(q sessioncleanup.Query) *selection {
	n := l.names
	sel := &selection{from: n["sessions"] + " s", args: cutoffArgs(q.Cutoffs)}
	switch q.Status {
	case "":
		sel.where = append(sel.where, "($1::timestamptz, $2::timestamptz, $3::timestamptz) IS NOT DISTINCT FROM ($1, $2, $3)")
	case sessioncleanup.StatusToDeactivate:
		sel.from = n["sessions_due_for_deactivation"]
	case sessioncleanup.StatusToDelete:
		sel.from += "\n" + n["cut"]
		sel.where = append(sel.where, n["due_for_deletion"])
	default:
		sel.from += "\n" + n["cut"]
		sel.where = append(sel.where, n["status"]+" = "+sel.arg(string(q.Status))+"::text")
	}
	if q.ID != "" {
		sel.where = append(sel.where, fmt.Sprintf("s.%s = %s::text::%s", n["id"], sel.arg(q.ID), n["id_type"]))
	}
	if q.OwnerID != "" {
		sel.where = append(sel.where, fmt.Sprintf("%s = %s::text::%s", n["owner_col"], sel.arg(q.OwnerID), n["owner_type"]))
	}
	if q.Text != "" {
		// With the collation "C", lower changes ASCII letters only.
		text := sel.arg(q.Text)
		var any []string
		for _, column := range []string{n["name_text"], n["code_text"], "s." + n["id"] + "::text"} {
			any = append(any, fmt.Sprintf(`position(lower(%s::text COLLATE "C") IN lower(%s COLLATE "C")) > 0`, text, column))
		}
		sel.where = append(sel.where, "("+strings.Join(any, " OR ")+")")
	}
	return sel
}

func (sel *selection) sql() string {
	if len(sel.where) == 0 {
		return "FROM " + sel.from
	}
	return "FROM " + sel.from + "\nWHERE " + strings.Join(sel.where, "\n  AND ")
}

// planned has a query planned for its values. A prepared one would after some runs be planned for any, and then read the
// whole table to find that nothing is due.
func planned(args []any) []any {
	return append([]any{pgx.QueryExecModeCacheDescribe}, args...)
}

// countSQL counts no further than asked, so that a question of "more than n?" costs n.
func (l *layout) countSQL(q sessioncleanup.Query) (string, []any) {
	sel := l.selection(q)
	limit := sel.arg(q.CountUpTo)
	return fmt.Sprintf("SELECT count(*) FROM (SELECT %s LIMIT %s::bigint) n", sel.sql(), limit), sel.args
}

// sortKey is the expression to sort by, and the type of its text form in a Position.
func (l *layout) sortKey(sort sessioncleanup.Sort) (key, typ string) {
	switch sort {
	case sessioncleanup.SortName:
		return fmt.Sprintf(`coalesce(%s, '') COLLATE "C"`, l.names["name_text"]), "text"
	case sessioncleanup.SortCreated:
		return fmt.Sprintf("coalesce(%s, '-infinity')", l.names["created_at_out"]), "timestamptz"
	default:
		return fmt.Sprintf("coalesce(%s, '-infinity')", l.names["last_activity_out"]), "timestamptz"
	}
}

func (l *layout) pageSQL(q sessioncleanup.Query) (string, []any) {
	sel := l.selection(q)
	key, typ := l.sortKey(q.Sort)
	direction, beyond := "ASC", ">"
	if q.Descending {
		direction, beyond = "DESC", "<"
	}
	if q.After != nil {
		from := q.After.Key
		if from == "" && typ != "text" {
			from = "-infinity"
		}
		sel.where = append(sel.where, fmt.Sprintf("(%s, s.%s) %s (%s::text::%s, %s::text::%s)",
			key, l.names["id"], beyond, sel.arg(from), typ, sel.arg(q.After.ID), l.names["id_type"]))
	}
	limit := sel.arg(q.Limit + 1)
	return fmt.Sprintf(`SELECT %s, nullif((%s)::text, '-infinity')
  FROM (SELECT s.* %s
         ORDER BY %s %s, s.%s %s LIMIT %s::bigint) s
 ORDER BY %s %s, s.%s %s`, l.names["session_columns"], l.keyText(key, typ), sel.sql(),
		key, direction, l.names["id"], direction, limit, key, direction, l.names["id"], direction), sel.args
}

// keyText writes a sort key so that it is read back exactly, whatever the session's DateStyle and TimeZone.
func (l *layout) keyText(key, typ string) string {
	if typ == "text" {
		return key
	}
	return fmt.Sprintf(`CASE WHEN isfinite(%s) THEN to_char((%s) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE '-infinity' END`, key, key)
}

// page reads one session more than asked, to know whether there is a next page.
func (s *Store) page(ctx context.Context, l *layout, q sessioncleanup.Query) ([]sessioncleanup.Session, *sessioncleanup.Position, error) {
	if q.After != nil && !l.isID(q.After.ID) {
		return nil, nil, fmt.Errorf("%w: the position %q is none of this table", sessioncleanup.ErrInvalid, q.After.ID)
	}
	sql, args := l.pageSQL(q)
	rows, err := s.pool.Query(ctx, sql, planned(args)...)
	if err != nil {
		return nil, nil, err
	}
	var keys []string
	sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sessioncleanup.Session, error) {
		var key *string
		session, err := scanSession(row, &key)
		if key == nil {
			key = new(string)
		}
		keys = append(keys, *key)
		return session, err
	})
	if err != nil || len(sessions) <= q.Limit {
		return sessions, nil, err
	}
	last := q.Limit - 1
	return sessions[:q.Limit], &sessioncleanup.Position{Key: keys[last], ID: sessions[last].ID}, nil
}

// scanSession reads the session_columns, and what stands behind them into more.
func scanSession(row pgx.Row, more ...any) (sessioncleanup.Session, error) {
	var session sessioncleanup.Session
	var created, updated, expires *time.Time
	err := row.Scan(append([]any{
		&session.ID, &session.OwnerID, &session.OwnerName, &session.Name, &session.Code, &session.Active, &session.AutoCleanup,
		&created, &updated, &session.LastActivity, &expires, &session.ActivityCount,
	}, more...)...)
	session.CreatedAt, session.UpdatedAt, session.ExpiresAt = utc(created), utc(updated), utc(expires)
	session.LastActivity = session.LastActivity.UTC()
	return session, err
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// cutoffArgs are the first three parameters of queries that measure sessions; NULL turns a phase off.
func cutoffArgs(c sessioncleanup.Cutoffs) []any {
	return []any{moment(c.Now), moment(c.Inactive), moment(c.Delete)}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
