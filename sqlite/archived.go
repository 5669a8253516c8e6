package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Archived returns the entries of the archive that match the query, newest first.
func (s *Store) Archived(ctx context.Context, q sessioncleanup.ArchiveQuery) (all []sessioncleanup.Archived, err error) {
	err = s.reading(ctx, func(c *conn) (err error) {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		all, err = c.archived(ctx, q)
		return err
	})
	return all, err
}

// CountArchived counts the entries that match the query.
func (s *Store) CountArchived(ctx context.Context, q sessioncleanup.ArchiveQuery) (n int, err error) {
	q.Before = 0
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		condition, p, err := archivedWhere(q)
		if err != nil {
			return err
		}
		return c.row(ctx, filled("count_archived", sqlfile.Names{"condition": condition}), p, &n)
	})
	return n, err
}

// ArchiveSize measures the archive.
func (s *Store) ArchiveSize(ctx context.Context) (size sessioncleanup.ArchiveSize, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		return c.row(ctx, statements["archive_size"], nil, &size.Entries, &size.Bytes)
	})
	return size, err
}

func archivedWhere(q sessioncleanup.ArchiveQuery) (string, params, error) {
	conditions, p := []string{"1"}, params{"limit": q.Limit}
	add := func(statement, name string, value any, given bool) {
		if given {
			conditions, p[name] = append(conditions, statements[statement]), value
		}
	}
	ids, err := json.Marshal(q.IDs)
	add("archived_ids", "ids", string(ids), len(q.IDs) > 0)
	add("archived_session", "session", q.SessionID, q.SessionID != "")
	add("archived_owner", "owner", q.OwnerID, q.OwnerID != "")
	add("archived_held", "held", 1, q.Held == sessioncleanup.On)
	add("archived_not_held", "held", 0, q.Held == sessioncleanup.Off)
	if due := dueInArchive(q.Until, q.Rules, p); len(q.Rules) > 0 || !q.Until.IsZero() {
		conditions = append(conditions, due)
	}
	add("archived_before", "before", q.Before, q.Before != 0)
	switch q.BackedUp {
	case sessioncleanup.On:
		conditions = append(conditions, statements["archived_backed_up"])
	case sessioncleanup.Off:
		conditions = append(conditions, statements["archived_not_backed_up"])
	}
	return strings.Join(conditions, " AND "), p, err
}

// dueInArchive is the condition for entries that PurgeBefore makes due.
func dueInArchive(until time.Time, rules []sessioncleanup.PurgeRule, p params) string {
	p["until"] = formatTime(until)
	if len(rules) == 0 {
		return statements["archived_until"]
	}
	latest, list := until, []map[string]any{}
	for _, r := range rules {
		if list = append(list, map[string]any{"tag": r.Tag, "before": formatTime(r.Before)}); r.Before.After(latest) {
			latest = r.Before
		}
	}
	text, err := json.Marshal(list)
	if err != nil { // texts always marshal
		panic(err)
	}
	p["latest"], p["purge_rules"] = formatTime(latest), string(text)
	return statements["archived_until_by_rules"]
}

func (c *conn) archived(ctx context.Context, q sessioncleanup.ArchiveQuery) (all []sessioncleanup.Archived, err error) {
	condition, p, err := archivedWhere(q)
	if err != nil {
		return nil, err
	}
	return c.listArchived(ctx, condition, "DESC", p)
}

func (c *conn) listArchived(ctx context.Context, condition, direction string, p params) (all []sessioncleanup.Archived, err error) {
	err = c.query(ctx, filled("list_archived", sqlfile.Names{"condition": condition, "direction": direction}), p, func(rows *sql.Rows) error {
		var a sessioncleanup.Archived
		var at, backedUp, tags string
		err := rows.Scan(&a.ID, &a.SessionID, &a.OwnerID, &a.Name, &at, &a.Actor, &a.Reason, &a.RunID, &a.Rows, &a.Bytes, &backedUp, &a.Held, &tags)
		a.Tags = tagList(tags)
		if err == nil {
			a.At, err = parseTime(at)
		}
		if err == nil && backedUp != "" {
			a.BackedUpAt, err = parseTime(backedUp)
		}
		all = append(all, a)
		return err
	})
	return all, err
}

// ArchivedRows returns rows of an entry, in the order of their numbers.
func (s *Store) ArchivedRows(ctx context.Context, id int64, after, limit int) (all []sessioncleanup.ArchivedRow, err error) {
	err = s.reading(ctx, func(c *conn) (err error) {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		all, err = c.archivedRows(ctx, id, after, limit)
		return err
	})
	return all, err
}

func (c *conn) archivedRows(ctx context.Context, id int64, after, limit int) (all []sessioncleanup.ArchivedRow, err error) {
	err = c.query(ctx, statements["archived_rows"], params{"entry": id, "after": after, "limit": limit}, func(rows *sql.Rows) error {
		var r sessioncleanup.ArchivedRow
		var row string
		err := rows.Scan(&r.Number, &r.Table, &r.Unlinked, &row)
		r.Row = json.RawMessage(row)
		all = append(all, r)
		return err
	})
	return all, err
}

// Purge permanently removes the oldest entries that were archived before a moment.
func (s *Store) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
	var result sessioncleanup.BatchResult
	if b.Limit <= 0 {
		return result, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	var h hold
	err := s.writing(ctx, func(c *conn) (err error) {
		if err := mustBeInstalled(ctx, c); err != nil {
			return err
		}
		if h, err = s.beginHold(ctx, c); err != nil {
			return err
		}
		if err := c.guard(ctx, b.Lease); err != nil {
			return err
		}
		var entries []int64
		var refs []sessioncleanup.SessionRef
		p := params{"limit": b.Limit, "backed_up": b.BackedUp}
		due := dueInArchive(before, b.PurgeRules, p)
		err = c.query(ctx, filled("old_archived", sqlfile.Names{"due": due}), p, func(rows *sql.Rows) error {
			var id int64
			var ref sessioncleanup.SessionRef
			err := rows.Scan(&id, &ref.ID, &ref.OwnerID, &ref.Name)
			entries, refs = append(entries, id), append(refs, ref)
			return err
		})
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := c.forgetArchived(ctx, entries); err != nil {
			return err
		}
		if result.IDs = idsOf(refs); len(refs) == b.Limit {
			result.Next = "more"
		}
		return c.addEvent(ctx, sessioncleanup.ActionPurged, b.Cause, refs)
	})
	if err != nil {
		result = sessioncleanup.BatchResult{}
	}
	result.Held, result.Pause = s.endHold(ctx, h, b)
	return result, err
}

// forgetArchived removes entries.
func (c *conn) forgetArchived(ctx context.Context, entries []int64) error {
	ids, err := json.Marshal(entries)
	for _, statement := range []string{"forget_archived_rows", "forget_archived"} {
		if err == nil {
			_, err = c.exec(ctx, statements[statement], params{"ids": string(ids)})
		}
	}
	return err
}

// mustHaveRestored refuses to drop an archive with entries.
func (c *conn) mustHaveRestored(ctx context.Context, catalog *catalog) error {
	if catalog.object("sessioncleanup_archive") == nil {
		return nil
	}
	var n int
	if err := c.row(ctx, filled("count_archived", sqlfile.Names{"condition": "1"}), nil, &n); err != nil || n == 0 {
		return err
	}
	return invalid.Errorf("the archive holds %d sessions that were deleted: restore or purge them first", n)
}
