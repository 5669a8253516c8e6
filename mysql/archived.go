package mysql

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
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		all, err = c.archived(ctx, q, "")
		return err
	})
	return all, err
}

// CountArchived counts the entries that match the query.
func (s *Store) CountArchived(ctx context.Context, q sessioncleanup.ArchiveQuery) (n int, err error) {
	q.Before = 0
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		condition, p := archivedWhere(q)
		return c.row(ctx, filled("count_archived", sqlfile.Names{"condition": condition}), p, &n)
	})
	return n, err
}

// ArchiveSize measures the archive.
func (s *Store) ArchiveSize(ctx context.Context) (size sessioncleanup.ArchiveSize, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		return c.row(ctx, statements["archive_size"], nil, &size.Entries, &size.Bytes)
	})
	return size, err
}

// archivedWhere is the condition for the entries that a query selects.
func archivedWhere(q sessioncleanup.ArchiveQuery) (string, params) {
	conditions, p := []string{"TRUE"}, params{"limit": q.Limit}
	add := func(statement, name string, value any, given bool) {
		if given {
			conditions, p[name] = append(conditions, statements[statement]), value
		}
	}
	add("archived_ids", "ids", list(q.IDs), len(q.IDs) > 0)
	add("archived_session", "session", []byte(q.SessionID), q.SessionID != "")
	add("archived_owner", "owner", []byte(q.OwnerID), q.OwnerID != "")
	add("archived_held", "held", q.Held == sessioncleanup.On, q.Held != sessioncleanup.Default)
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
	return strings.Join(conditions, " AND "), p
}

// dueInArchive is the condition for entries that PurgeBefore makes due.
func dueInArchive(until time.Time, rules []sessioncleanup.PurgeRule, p params) string {
	p["until"] = nullTime(until)
	if len(rules) == 0 {
		return statements["archived_until"]
	}
	latest, list := until, []map[string]any{}
	for _, r := range rules {
		rule := map[string]any{"tag": r.Tag, "before": nil}
		if !r.Before.IsZero() {
			rule["before"] = r.Before.UTC().Format(timeForm)
		}
		if list = append(list, rule); r.Before.After(latest) {
			latest = r.Before
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // texts are JSON
	}
	p["latest"], p["purge_rules"] = nullTime(latest), string(text)
	return statements["archived_until_by_rules"]
}

// list is a list of values as a parameter.
func list[T any](values []T) []any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = value
	}
	return all
}

// archived reads entries; locking is the end of the statement.
func (c *conn) archived(ctx context.Context, q sessioncleanup.ArchiveQuery, locking string) ([]sessioncleanup.Archived, error) {
	condition, p := archivedWhere(q)
	return c.listArchived(ctx, sqlfile.Names{"condition": condition, "direction": "DESC", "locking": locking}, p)
}

func (c *conn) listArchived(ctx context.Context, names sqlfile.Names, p params) (all []sessioncleanup.Archived, err error) {
	err = c.query(ctx, filled("list_archived", names), p, func(rows *sql.Rows) error {
		var a sessioncleanup.Archived
		var backedUp sql.NullTime
		var tags string
		err := rows.Scan(&a.ID, &a.SessionID, &a.OwnerID, &a.Name, &a.At, &a.Actor, &a.Reason, &a.RunID, &a.Rows, &a.Bytes, &backedUp, &a.Held, &tags)
		a.BackedUpAt = backedUp.Time
		if tags != "" {
			a.Tags = strings.Fields(tags)
		}
		all = append(all, a)
		return err
	})
	return all, err
}

// archivedRow is a row of an entry with its key in the archive.
type archivedRow struct {
	sessioncleanup.ArchivedRow
	id int64
}

// ArchivedRows returns rows of an entry, in the order of their numbers: their places among its rows.
func (s *Store) ArchivedRows(ctx context.Context, id int64, after, limit int) (all []sessioncleanup.ArchivedRow, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		return c.query(ctx, statements["archived_rows"], params{"entry": id, "after": after, "limit": limit}, func(rows *sql.Rows) error {
			row, err := scanArchivedRow(rows)
			row.Number = after + len(all) + 1
			all = append(all, row.ArchivedRow)
			return err
		})
	})
	return all, err
}

func scanArchivedRow(rows *sql.Rows, more ...any) (r archivedRow, err error) {
	var content string
	err = rows.Scan(append([]any{&r.id, &r.Table, &r.Unlinked, &content}, more...)...)
	r.Row = json.RawMessage(content)
	return r, err
}

// size is what limits of Archiving are about.
type size struct {
	Rows  int
	Bytes int64
	// TooLong says that the server could not send one of the rows.
	TooLong bool
}

// sizes are those of entries.
func (c *conn) sizes(ctx context.Context, entries params) (map[int64]size, error) {
	all := map[int64]size{}
	err := c.query(ctx, statements["archived_sizes"], entries, func(rows *sql.Rows) error {
		var entry int64
		var of size
		err := rows.Scan(&entry, &of.Rows, &of.Bytes, &of.TooLong)
		all[entry] = of
		return err
	})
	return all, err
}

// purgedBytes is how much one batch of a purge removes at most, unless it is a single entry.
const purgedBytes = 64 << 20

// Purge permanently removes the oldest entries that were archived before a moment, but for those that somebody else has locked.
func (s *Store) Purge(ctx context.Context, b sessioncleanup.Batch, before time.Time) (sessioncleanup.BatchResult, error) {
	var result sessioncleanup.BatchResult
	if b.Limit <= 0 {
		return result, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	started := time.Now()
	err := s.writing(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		if err := c.guard(ctx, b.Lease); err != nil {
			return err
		}
		var entries []int64
		var refs []sessioncleanup.SessionRef
		more, left := false, int64(purgedBytes)
		p := params{"limit": b.Limit, "backed_up": b.BackedUp}
		old := filled("old_archived", sqlfile.Names{"due": dueInArchive(before, b.PurgeRules, p)})
		err := c.query(ctx, old, p, func(rows *sql.Rows) error {
			var id, bytes int64
			var ref sessioncleanup.SessionRef
			err := rows.Scan(&id, &ref.ID, &ref.OwnerID, &ref.Name, &bytes)
			if left -= bytes; left < 0 && len(refs) > 0 {
				more = true
				return err
			}
			entries, refs = append(entries, id), append(refs, ref)
			return err
		})
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := c.forgetArchived(ctx, entries); err != nil {
			return err
		}
		if result.IDs = idsOf(refs); more || len(refs) == b.Limit {
			result.Next = "more"
		}
		return c.addEvent(ctx, eventOf(sessioncleanup.ActionPurged, b.Cause, refs))
	})
	if err != nil {
		result = sessioncleanup.BatchResult{}
	}
	result.Held = time.Since(started)
	result.Pause = b.PauseAfter(result.Held)
	return result, err
}

func eventOf(action sessioncleanup.Action, cause sessioncleanup.Cause, refs []sessioncleanup.SessionRef) sessioncleanup.Event {
	return sessioncleanup.Event{Action: action, Sessions: refs, Actor: cause.Actor, Reason: cause.Reason, RunID: cause.RunID}
}

// forgetArchived removes entries.
func (c *conn) forgetArchived(ctx context.Context, entries []int64) error {
	for _, statement := range []string{"forget_archived_rows", "forget_archived"} {
		if _, err := c.exec(ctx, statements[statement], params{"ids": list(entries)}); err != nil {
			return err
		}
	}
	return nil
}

// mustHaveRestored refuses to drop an archive with entries.
func (c *conn) mustHaveRestored(ctx context.Context, catalog *catalog) error {
	if catalog.tables["sessioncleanup_archive"] == nil {
		return nil
	}
	var n int
	if err := c.row(ctx, filled("count_archived", sqlfile.Names{"condition": "TRUE"}), nil, &n); err != nil || n == 0 {
		return err
	}
	return invalid.Errorf("the archive holds %d sessions that were deleted: restore or purge them first", n)
}
