package postgres

import (
	"fmt"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// This file holds how the times in the application's columns are read. A column may be without time zone, or hold what
// means never or unknown: infinity, the year 9000 and later, 1970. The result is always a timestamptz from 1970 to 9000.

// The bounds of times that mean a moment, and what a last activity beyond them is read as: so far in the future that
// nothing is ever due, and that what follows from it, such as DeleteAt, is still a time that JSON can hold.
const (
	firstMoment = "1970-01-01 00:00:00"
	firstUse    = "1970-01-02 00:00:00" // a time of creation or use before it means: not known
	forever     = "9000-01-01 00:00:00"
	neverEnds   = "pg_catalog.timestamptz '9000-01-01 00:00:00+00'"
)

// times returns what to append to a timestamptz to compare it with a column of the sessions, and the column as a
// timestamptz. In a comparison the column itself stays bare, so that its index serves.
func (m *mapping) times(name, prefix string) (in, out string) {
	return m.timesOf(m.columnOr(name, "timestamptz"), prefix)
}

func (m *mapping) timesOf(c column, prefix string) (in, out string) {
	zone := " AT TIME ZONE " + literal(m.zone)
	bare := prefix + sqlfile.Column(c.name)
	switch c.base {
	case "timestamp":
		return zone, "(" + bare + zone + ")"
	case "date":
		return zone, "(" + bare + "::timestamp" + zone + ")"
	default:
		return "", bare
	}
}

// fixed is a fixed moment, to be compared with a column.
func fixed(c column, text string) string {
	switch c.base {
	case "timestamp", "date":
		if text == forever { // in no time zone is it that late yet
			text = "9000-01-02 00:00:00"
		}
		return "pg_catalog.timestamp '" + text + "'"
	default:
		return "pg_catalog.timestamptz '" + text + "+00'"
	}
}

// lastActivity reads the last activity: a time that stands for never ending keeps the session, and where none is known
// the creation counts. Where that is not known either, it is NULL, and the session is never due.
func (m *mapping) lastActivity() string {
	c := m.columnOr(m.schema.LastActivity, "timestamptz")
	_, out := m.timesOf(c, "s.")
	return fmt.Sprintf("(CASE WHEN s.%s >= %s THEN %s WHEN %s THEN %s ELSE %s END)",
		sqlfile.Column(c.name), fixed(c, forever), neverEnds, m.early(), m.madeAt(m.schema.CreatedAt), out)
}

// early is the condition that the last activity stands for none.
func (m *mapping) early() string {
	c := m.columnOr(m.schema.LastActivity, "timestamptz")
	return "s." + sqlfile.Column(c.name) + " < " + fixed(c, firstUse)
}

// madeAt reads a time at which something was done; NULL when that is not known.
func (m *mapping) madeAt(name string) string {
	if name == "" {
		return "NULL::timestamptz"
	}
	return m.madeAtOf(m.columnOr(name, "timestamptz"), "s.")
}

func (m *mapping) madeAtOf(c column, prefix string) string {
	_, out := m.timesOf(c, prefix)
	bare := prefix + sqlfile.Column(c.name)
	return fmt.Sprintf("(CASE WHEN %s >= %s AND %s < %s THEN %s END)", bare, fixed(c, firstUse), bare, fixed(c, forever), out)
}

// usedBy reads a time at which a session was used, at the latest: a date says the day only.
func (m *mapping) usedBy(name string) string {
	if name == "" {
		return "NULL::timestamptz"
	}
	return m.usedByOf(m.columnOr(name, "timestamptz"), "s.")
}

func (m *mapping) usedByOf(c column, prefix string) string {
	at := m.madeAtOf(c, prefix)
	if c.base == "date" {
		return "(" + at + " + interval '1 day')"
	}
	return at
}

// expiresAt reads the expiry; NULL when it never comes.
func (m *mapping) expiresAt() string {
	c := m.columnOr(m.schema.ExpiresAt, "timestamptz")
	_, out := m.timesOf(c, "s.")
	return fmt.Sprintf("(CASE WHEN s.%s < %s THEN greatest(%s, pg_catalog.timestamptz '%s+00') END)", sqlfile.Column(c.name), fixed(c, forever), out, firstMoment)
}

func (m *mapping) deactivatedAt() string {
	c := m.columnOr(m.schema.DeactivatedAt, "timestamptz")
	_, out := m.timesOf(c, "s.")
	return fmt.Sprintf("(CASE WHEN s.%s IS NOT NULL THEN least(greatest(%s, pg_catalog.timestamptz '%s+00'), %s) END)", sqlfile.Column(c.name), out, firstMoment, neverEnds)
}

// keptSince is Session.KeptSince, in the type of the column of the last activity: greatest ignores NULLs. Where no last
// activity is known it is too early.
func (m *mapping) keptSince(prefix string) string {
	used := m.columnOr(m.schema.LastActivity, "timestamptz")
	convert := func(c column, sql string) string {
		if (c.base == "timestamptz") != (used.base == "timestamptz") {
			return sql + " AT TIME ZONE " + literal(m.zone)
		}
		return sql
	}
	ends, since := m.columnOr(m.schema.ExpiresAt, "timestamptz"), m.columnOr(m.schema.DeactivatedAt, "timestamptz")
	end := prefix + sqlfile.Column(ends.name)
	return fmt.Sprintf("greatest(%s, %s, %s)", prefix+sqlfile.Column(used.name),
		convert(ends, fmt.Sprintf("CASE WHEN %s < %s THEN %s END", end, fixed(ends, forever), end)), convert(since, prefix+sqlfile.Column(since.name)))
}

// exactly are Session.KeptSince as a moment, and the condition that a session has expired. Where a column has no time zone
// they say more than comparisons with cutoffs in its zone: in the hour that is repeated when daylight saving time ends, a
// value that is read as the later one is less than an earlier cutoff.
func (m *mapping) exactly() (keptSince, expired string) {
	keptSince, expired = m.lastActivity(), "true"
	zoned := func(name string) bool { return m.columnOr(name, "timestamptz").base == "timestamptz" }
	if !zoned(m.schema.ExpiresAt) {
		expired = m.expiresAt() + " <= v_cut.now"
	}
	if !zoned(m.schema.LastActivity) || !zoned(m.schema.ExpiresAt) || !zoned(m.schema.DeactivatedAt) {
		keptSince = fmt.Sprintf("greatest(%s, %s, %s)", m.lastActivity(), m.expiresAt(), m.deactivatedAt())
	}
	return keptSince, expired
}
