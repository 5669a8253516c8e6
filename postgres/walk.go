package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file reads lists by last activity along indexes, however large the table is. A condition that these do not decide,
// a text for example, is looked for among a limited number of sessions; the page then ends early and says where the next
// one begins.

const (
	// fewSessions are found by what selects them, and sorted.
	fewSessions = 5000
	// walked is how many sessions of each part of a table a page looks at.
	walked = 4000
)

// listing is the statement for a page.
type listing struct {
	sql   string
	args  []any
	walks bool
}

// listing sorts what matches where that is little, and walks otherwise.
func (s *Store) listing(ctx context.Context, m *mapping, q sessioncleanup.Query) (listing, error) {
	n := m.order(q)
	n["among"] = m.names["sessions"]
	few := q.ID != "" || q.Sort == sessioncleanup.SortName || q.Sort == sessioncleanup.SortCreated
	if q.OwnerID != "" && m.ownerIndexed {
		var count int
		if err := s.pool.QueryRow(ctx, m.statement("few"), q.OwnerID, fewSessions+1).Scan(&count); err != nil {
			return listing{}, err
		}
		if count <= fewSessions {
			few, n["among"] = true, m.statement("among_owner")
		}
	}
	due := []sessioncleanup.Status{
		sessioncleanup.StatusToDeactivate, sessioncleanup.StatusToDelete, sessioncleanup.SelectToWarn, sessioncleanup.SelectWaiting,
	}
	if !few && slices.Contains(due, q.Status) {
		var err error
		if few, err = s.fewDue(ctx, m, q); err != nil {
			return listing{}, err
		}
	}
	args := readArgs(q.Filter, q.Thresholds)
	key, id := after(q)
	if few {
		return listing{m.statement("list", n), append(args, orNull(string(q.Status)), q.Limit+1, key, id), false}, nil
	}
	args = append(args, q.Limit+1, key, id)
	part := "walk_all"
	if n["wanted"] = m.wanted(q); n["wanted"] != "" {
		part, args = "walk_some", append(args, walked)
	}
	var parts []string
	for _, names := range m.walkParts(q) {
		parts = append(parts, m.statement(part, n, names))
	}
	n["parts"] = strings.Join(parts, "\nUNION ALL\n")
	return listing{m.statement("walk", n), args, true}, nil
}

// wanted is the condition of a query on the sessions of its parts; empty when it wants all of them.
func (m *mapping) wanted(q sessioncleanup.Query) string {
	var all []string
	if q.OwnerID != "" {
		all = append(all, fmt.Sprintf("%s = v_filter.owner::%s", m.names["owner_col"], m.names["owner_type"]))
	}
	due := fmt.Sprintf("(%s OR %s)", m.names["idle"], m.names["expired"])
	switch q.Status {
	case sessioncleanup.StatusActive:
		all = append(all, "NOT coalesce("+due+", false)")
	case sessioncleanup.StatusInactive:
		all = append(all, "NOT coalesce("+m.names["gone"]+", false)")
	case sessioncleanup.StatusToDeactivate:
		all = append(all, due)
	case sessioncleanup.StatusToDelete:
		all = append(all, "("+m.names["gone"]+")")
	case sessioncleanup.SelectToWarn:
		all = append(all, "("+m.names["to_warn"]+")")
	case sessioncleanup.SelectWaiting:
		all = append(all, "("+m.names["waiting"]+")")
	}
	if q.Text != "" {
		all = append(all, m.names["has_text"])
	}
	if q.Tags != "" {
		all = append(all, m.names["has_tags"])
	}
	return strings.Join(all, " AND ")
}

// classes are the conditions of the indexes that hold the sessions with a status, or all.
func (m *mapping) classes(status sessioncleanup.Status) []string {
	active := "(" + m.names["is_active"] + " AND " + m.names["is_auto"] + ")"
	inactive := "(" + m.names["not_active"] + " AND " + m.names["is_auto"] + ")"
	switch status {
	case sessioncleanup.StatusActive, sessioncleanup.StatusToDeactivate:
		return []string{active}
	case sessioncleanup.StatusInactive, sessioncleanup.StatusToDelete, sessioncleanup.SelectToWarn, sessioncleanup.SelectWaiting:
		return []string{inactive}
	case sessioncleanup.StatusProtected:
		return []string{m.names["is_protected"]}
	default:
		return []string{active, inactive, m.names["is_protected"]}
	}
}

// fewDue reports whether few sessions of all owners are due.
func (s *Store) fewDue(ctx context.Context, m *mapping, q sessioncleanup.Query) (bool, error) {
	var count int
	_, err := s.read(ctx, func(batch *pgx.Batch) {
		args := append(readArgs(sessioncleanup.Filter{}, q.Thresholds), string(q.Status), fewSessions+1)
		batch.Queue(m.statement("count"), args...).QueryRow(func(row pgx.Row) error { return row.Scan(&count) })
	})
	return count <= fewSessions, err
}

// walkParts are the parts of the table that have an index in the order of the query, each with its ordinary times, and the
// others: those that are not known, or stand for never.
func (m *mapping) walkParts(q sessioncleanup.Query) (parts []sqlfile.Names) {
	name, order := m.schema.LastActivity, m.order(q)
	past := fmt.Sprintf(`($8::text IS NULL OR (%s, s.%s) %s ($8::text::timestamptz, $9::text::%s))`, order["key"], m.names["id"], order["beyond"], m.names["id_type"])
	c := m.columnOr(name, "timestamptz")
	bare := "s." + sqlfile.Column(name)
	ordinary := fmt.Sprintf("%s >= %s AND %s < %s", bare, fixed(c, firstUse), bare, fixed(c, forever))
	odd := fmt.Sprintf("(%s < %s OR %s >= %s OR %s IS NULL)", bare, fixed(c, firstUse), bare, fixed(c, forever), bare)
	pastOrdinary := fmt.Sprintf(`($8::text IS NULL OR (%s, s.%s) %s (%s, $9::text::%s))`, bare, m.names["id"], order["beyond"], placeIn(c, "$8::text::timestamptz"), m.names["id_type"])
	for _, class := range m.classes(q.Status) {
		parts = append(parts,
			sqlfile.Names{"part": class + " AND " + ordinary, "place": order["key"], "place_order": bare, "past": pastOrdinary},
			sqlfile.Names{"part": class + " AND " + odd, "place": order["key"], "place_order": order["key"], "past": past})
	}
	return parts
}

// placeOf is the place of a session in the order of a time: what the column says, as if it were in UTC, so that it follows the
// column's index, and -infinity for what is not known. The time is the column as it is understood.
func (m *mapping) placeOf(name, time string) string {
	place := time
	if c := m.columnOr(name, "timestamptz"); name != "" && (c.base == "timestamp" || c.base == "date") {
		bare := "s." + sqlfile.Column(name)
		place = fmt.Sprintf("CASE WHEN %s >= %s AND %s < %s THEN %s::timestamp AT TIME ZONE 'UTC' ELSE %s AT TIME ZONE %s AT TIME ZONE 'UTC' END",
			bare, fixed(c, firstUse), bare, fixed(c, forever), bare, time, literal(m.zone))
	}
	return fmt.Sprintf("coalesce(CASE WHEN isfinite(%s) THEN %s END, '-infinity')", time, place)
}

// placeIn is a place as the column has it.
func placeIn(c column, place string) string {
	switch c.base {
	case "timestamp":
		return "(" + place + " AT TIME ZONE 'UTC')"
	case "date":
		return "(" + place + " AT TIME ZONE 'UTC')::date"
	default:
		return place
	}
}
