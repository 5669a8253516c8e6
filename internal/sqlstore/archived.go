package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Archived returns the entries of the archive that match the query, newest first.
func (s Store) Archived(ctx context.Context, q sessioncleanup.ArchiveQuery) ([]sessioncleanup.Archived, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) ([]sessioncleanup.Archived, error) { return Archived(ctx, c, q, "") })
}

// CountArchived counts the entries that match the query.
func (s Store) CountArchived(ctx context.Context, q sessioncleanup.ArchiveQuery) (int, error) {
	q.Before = 0
	return Answer(ctx, s.b.Reading, func(c Conn) (int, error) { return countArchived(ctx, c, q) })
}

// ArchiveSize measures the archive.
func (s Store) ArchiveSize(ctx context.Context) (sessioncleanup.ArchiveSize, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) (size sessioncleanup.ArchiveSize, err error) {
		err = row(ctx, c, c.SQL("archive_size", nil), nil, &size.Entries, &size.Bytes)
		return size, err
	})
}

// NotBackedUp returns entries of the archive that are not marked, the oldest first.
func (s Store) NotBackedUp(ctx context.Context, after int64, limit int) ([]sessioncleanup.Archived, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) ([]sessioncleanup.Archived, error) {
		names := sqlfile.Names{"condition": c.SQL("archived_not_backed_up", nil) + " AND " + c.SQL("archived_after", nil), "direction": "ASC", "locking": ""}
		return listArchived(ctx, c, names, Params{"after": after, "limit": limit})
	})
}

// MarkBackedUp notes that some entries are in a backup.
func (s Store) MarkBackedUp(ctx context.Context, ids []int64) error {
	return s.b.Writing(ctx, func(c Conn) error {
		now, err := c.Now(ctx)
		if err == nil {
			_, err = c.Exec(ctx, c.SQL("mark_backed_up", nil), Params{"ids": List(ids), "now": now})
		}
		return err
	})
}

// Archived reads entries; locking is the end of the statement, which may be Conn.ForUpdate.
func Archived(ctx context.Context, c Conn, q sessioncleanup.ArchiveQuery, locking string) ([]sessioncleanup.Archived, error) {
	condition, p := matches(c, q)
	return listArchived(ctx, c, sqlfile.Names{"condition": condition, "direction": "DESC", "locking": locking}, p)
}

// MustHaveRestored refuses to drop an archive with entries.
func MustHaveRestored(ctx context.Context, c Conn) error {
	n, err := countArchived(ctx, c, sessioncleanup.ArchiveQuery{})
	if err == nil && n > 0 {
		err = invalid.Databasef("the archive holds %d sessions that were deleted: restore or purge them first", n)
	}
	return err
}

func countArchived(ctx context.Context, c Conn, q sessioncleanup.ArchiveQuery) (n int, err error) {
	condition, p := matches(c, q)
	err = row(ctx, c, c.SQL("count_archived", sqlfile.Names{"condition": condition}), p, &n)
	return n, err
}

// matches is the condition for the entries that a query selects.
func matches(c Conn, q sessioncleanup.ArchiveQuery) (string, Params) {
	conditions, p := []string{"TRUE"}, Params{"limit": q.Limit}
	if len(q.Rules) > 0 || !q.Until.IsZero() {
		conditions = append(conditions, dueBefore(c, q.Until, q.Rules, p))
	}
	for _, part := range []struct {
		given     bool
		statement string
		name      string
		value     any
	}{
		{len(q.IDs) > 0, "archived_ids", "ids", List(q.IDs)},
		{q.SessionID != "", "archived_session", "session", ID(q.SessionID)},
		{q.OwnerID != "", "archived_owner", "owner", ID(q.OwnerID)},
		{q.Held == sessioncleanup.On, "archived_held", "held", true},
		{q.Held == sessioncleanup.Off, "archived_not_held", "held", false},
		{q.Before != 0, "archived_before", "before", q.Before},
		{q.BackedUp == sessioncleanup.On, "archived_backed_up", "backed_up", true},
		{q.BackedUp == sessioncleanup.Off, "archived_not_backed_up", "backed_up", false},
	} {
		if part.given {
			conditions, p[part.name] = append(conditions, c.SQL(part.statement, nil)), part.value
		}
	}
	return strings.Join(conditions, " AND "), p
}

// dueBefore is the condition for entries that PurgeBefore makes due.
func dueBefore(c Conn, until time.Time, rules []sessioncleanup.PurgeRule, p Params) string {
	p["until"] = until
	if len(rules) == 0 {
		return c.SQL("archived_until", nil)
	}
	latest, list := until, []map[string]any{}
	for _, r := range rules {
		if list = append(list, map[string]any{"tag": r.Tag, "before": c.Stamp(r.Before)}); r.Before.After(latest) {
			latest = r.Before
		}
	}
	p["latest"], p["purge_rules"] = latest, JSON(list)
	return c.SQL("archived_until_by_rules", nil)
}

func listArchived(ctx context.Context, c Conn, names sqlfile.Names, p Params) (all []sessioncleanup.Archived, err error) {
	err = c.Query(ctx, c.SQL("list_archived", names), p, func(rows *sql.Rows) error {
		var a sessioncleanup.Archived
		var tags string
		err := rows.Scan(&a.ID, &a.SessionID, &a.OwnerID, &a.Name, Time(&a.At), &a.Actor, &a.Reason, &a.RunID, &a.Rows, &a.Bytes,
			Time(&a.BackedUpAt), &a.Held, &tags)
		if tags != "" {
			a.Tags = strings.Fields(tags)
		}
		all = append(all, a)
		return err
	})
	return all, err
}
