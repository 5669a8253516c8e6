package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// batchTimeout ends a batch when the server stops answering.
const batchTimeout = 30 * time.Second

// pauseAfterLock is how long a run pauses after a batch that met a locked row.
const pauseAfterLock = 20 * time.Millisecond

// sweep holds the state of one batch.
type sweep struct {
	sessioncleanup.Batch
	from  cursor
	left  []pass // the batch's, and those after it
	now   time.Time
	reach *linksRead // of a deletion; empty otherwise

	refs    []sessioncleanup.SessionRef // the sessions selected, in order
	since   []time.Time                 // to warn about: since when each of them is unused
	noted   bool                        // one of them has a note
	tagged  bool                        // they may have tags
	changed []sessioncleanup.SessionRef // those and others that went along, without those skipped
	skipped []sessioncleanup.Skipped
	rows    int           // BatchResult.Rows
	freed   int64         // BatchResult.Bytes
	next    string        // BatchResult.Next
	held    time.Duration // how long the batch held its locks, without the network and the commit; zero before it had any
}

// Sweep does one batch in one transaction, and starts with the sessions that have been due the longest. Deactivation
// takes idle sessions first, then expired ones. Sweep finds candidates along an index, skips rows that others have
// locked, locks the rest, and changes those that are due. A foreign key with ON DELETE CASCADE deletes the rows that
// refer to a session along with it; any other foreign key prevents the deletion.
//
// The first batches of a phase fold in the notes that triggers wrote before the run. A batch that finds many of them
// does nothing else.
func (s *Store) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	var result sessioncleanup.BatchResult
	if b.Limit <= 0 {
		return result, invalid.Errorf("limit of the batch is %d: want at least 1", b.Limit)
	}
	from, left, err := startOf(b)
	if err != nil {
		return result, err
	}
	if b.After == "" { // also with Only: with BeforeDelete, a phase has no other batches
		if err := s.followed(ctx); err != nil {
			return result, err
		}
	}
	w := &sweep{Batch: b, from: from, left: left, reach: &linksRead{}}
	if b.Action == sessioncleanup.ActionDeleted && b.After == "" && b.Only == nil {
		if err := s.forgetTags(ctx, b.Lease); err != nil {
			return result, err
		}
	}
	if b.Only == nil && from.In == "" {
		folded, more, err := s.foldOlder(ctx, b)
		if err != nil {
			return result, err
		}
		if !more {
			folded, more, err = s.classify(ctx, b)
		}
		if err != nil {
			return result, err
		}
		if more {
			w.from.Folded += folded
			result.Next = w.from.String()
			return result, nil
		}
	}
	limited, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	err = s.writingSessions(limited, func(c *conn) (err error) {
		if b.Action == sessioncleanup.ActionDeleted {
			if w.reach, err = s.reach(limited, c); err != nil {
				return err
			}
		}
		return w.do(limited, s, c)
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", sessioncleanup.ErrUnavailable, err)
	}
	if w.held > 0 {
		result.Held = w.held
		result.Pause = b.PauseAfter(result.Held)
	}
	if len(w.refs) > 0 && (refused(err) || locked(err) || errors.Is(err, errLeftAlone) || errors.Is(err, sessioncleanup.ErrTooLarge)) {
		if locked(err) {
			result.Pause = max(result.Pause, pauseAfterLock)
		}
		return result, &sessioncleanup.BatchError{IDs: sqlstore.IDs(w.refs), Next: w.next, Err: err, Code: kindOfFailure(err), Locked: locked(err)}
	}
	if err == nil {
		result.IDs, result.Next, result.Skipped, result.Rows, result.Bytes = sqlstore.IDs(w.changed), w.next, w.skipped, w.rows, w.freed
	}
	return result, err
}

// do runs the transaction of the batch.
func (w *sweep) do(ctx context.Context, s *Store, c *conn) error {
	if err := c.guard(ctx, w.Lease); err != nil {
		return err
	}
	if c.adopted.CatchUp {
		return sqlstore.ErrUnfilled
	}
	if w.Action == sessioncleanup.ActionNoticed && w.from.ID == "" {
		if _, err := c.exec(ctx, statements["forget_notices"], params{"before": w.Cutoffs.ForgetWarnings()}); err != nil {
			return err
		}
	}
	locked, trips := time.Now(), c.trips.count
	defer func() { w.held = c.trips.heldSince(locked, trips) }()
	if err := w.take(ctx, c); err != nil || len(w.refs) == 0 {
		return err
	}
	if err := w.write(ctx, s, c); err != nil || len(w.changed) == 0 || w.Action == sessioncleanup.ActionDated {
		return err
	}
	return c.insertEvent(ctx, sqlstore.EventOf(w.now, w.Action, w.Cause, w.changed))
}

// take locks and selects due sessions: first by the table's columns and then, where any of them has a note or tags count, by
// what others committed until the lock. Sessions to warn about are not locked.
func (w *sweep) take(ctx context.Context, c *conn) error {
	w.tagged = true
	if w.Only != nil {
		ids, err := c.lock(ctx, c.adopted.ID.list(w.Only), false)
		if err != nil || len(ids) == 0 {
			return err
		}
		return w.choose(ctx, c, ids)
	}
	if err := w.divide(ctx, c); err != nil || len(w.left) == 0 {
		return err
	}
	if err := w.find(ctx, c); err != nil || len(w.refs) == 0 {
		return err
	}
	ids := c.adopted.ID.list(sqlstore.IDs(w.refs))
	if w.Action != sessioncleanup.ActionNoticed {
		var noted bool
		err := c.row(ctx, c.sql("find_noted", nil), params{"locked": ids}, &noted, &w.tagged)
		if err != nil || !noted && !w.byTags() && w.Filter.Tags == "" {
			return err
		}
	}
	w.refs = nil
	return w.choose(ctx, c, ids)
}

// guard fails with ErrLeaseLost unless the batch still has its lease. It writes the lease, which keeps others from
// taking it until the batch is committed. A read, even a locking one, would not be seen by the other nodes of a
// cluster.
func (c *conn) guard(ctx context.Context, lease sessioncleanup.Lease) error {
	if lease.Name == "" {
		return nil
	}
	n, err := c.exec(ctx, statements["guard_lease"], params{"name": []byte(lease.Name), "holder": []byte(lease.Holder), "epoch": lease.Epoch})
	if err == nil && n == 0 {
		err = sessioncleanup.ErrLeaseLost
	}
	return err
}

// divide splits the passes that are left into their stretches.
func (w *sweep) divide(ctx context.Context, c *conn) error {
	stretches, err := c.stretches(ctx)
	if err != nil {
		return err
	}
	var all []pass
	for i, p := range w.left {
		for _, p.of = range stretches {
			if p.those(p.of) && (i > 0 || p.of.key() >= w.from.In) {
				all = append(all, p)
			}
		}
	}
	w.left = all
	if len(all) > 0 && all[0].start() != (cursor{Pass: w.from.Pass, In: w.from.In}) { // nothing is left of that stretch, or it is the first one
		w.from = all[0].start()
	}
	return nil
}

// find locks sessions that are due by the table's columns, in the first pass that has any, and sets next.
func (w *sweep) find(ctx context.Context, c *conn) error {
	for {
		names, p, possible := w.search(c.layout, w.left[0])
		if !possible {
			return nil
		}
		last := w.left[0].start()
		if err := w.after(c.layout, names, p); err != nil {
			return err
		}
		err := c.query(ctx, c.sql("find_batch", names), p, func(rows *sql.Rows) error {
			var ref sessioncleanup.SessionRef
			var place sql.NullTime
			err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name, &place, &w.now)
			last.ID, last.Place = ref.ID, nil
			if place.Valid {
				last.Place = &place.Time
			}
			if _, ok := c.adopted.ID.bind(ref.ID); !ok && err == nil {
				return fmt.Errorf("session %q cannot be found by its id", ref.ID)
			}
			w.refs = append(w.refs, ref)
			return err
		})
		if err != nil {
			return err
		}
		w.now, w.next = c.cut(w.now), ""
		switch {
		case len(w.refs) == w.Limit:
			w.next = last.String()
		case len(w.left) > 1:
			w.next = w.left[1].start().String()
		}
		if len(w.refs) > 0 || len(w.left) == 1 {
			return nil
		}
		w.left = w.left[1:]
		w.from = w.left[0].start()
	}
}

// search returns the set of sessions that a pass reads, and its conditions. It returns false when no session can match
// the filter.
func (w *sweep) search(l *layout, at pass) (sqlfile.Names, params, bool) {
	names, p, possible := l.where(w.Filter, "", w.Cutoffs.For(at.of.tags))
	if !possible {
		return nil, nil, false
	}
	names["index"], names["beyond"] = sqlfile.Column(prefix+at.index), "TRUE"
	names["prefilter"] = l.in(at.of, "a", p) + " AND " + at.compared(l, "")
	if names["due"], names["locking"] = l.tableRules[at.name], statements["locking"]; w.Action == sessioncleanup.ActionNoticed {
		names["locking"] = ""
	}
	names["place_column"], names["order"] = "NULL", l.names["id"]
	if place := at.place(l); place != "" {
		names["place_column"], names["order"] = place, place+", "+l.names["id"]
	}
	p["limit"] = w.Limit
	return names, p, true
}

// after adds the condition that continues behind the cursor.
func (w *sweep) after(l *layout, names sqlfile.Names, p params) error {
	if w.from.ID == "" {
		return nil
	}
	id, ok := l.adopted.ID.bind(w.from.ID)
	if !ok {
		return errNoCursor(w.Batch)
	}
	p["after_id"], names["beyond"] = id, l.sql("beyond_id", names)
	if w.from.Place != nil {
		p["after_place"], names["beyond"] = *w.from.Place, l.sql("beyond_place", names)
	}
	return nil
}

// byTags reports whether the sessions' tags decide which of them are due for the action.
func (w *sweep) byTags() bool {
	return len(w.Cutoffs.Rules) > 0 && w.Action != sessioncleanup.ActionDated && w.Action != sessioncleanup.ActionCorrected
}

// choose selects the due ones among the locked sessions.
func (w *sweep) choose(ctx context.Context, c *conn, ids []any) error {
	if w.byTags() {
		return w.chooseByTags(ctx, c, ids)
	}
	names, p, possible := c.where(w.Filter, "", w.Cutoffs)
	if !possible {
		return nil
	}
	at := w.left[0]
	names["seen"], names["due"] = c.seenOf(":locked", cmp.Or(at.place(c.layout), "NULL")), c.seenRules[at.name]
	p["locked"] = ids
	err := c.query(ctx, c.sql("due_batch", names), p, func(rows *sql.Rows) error {
		var ref sessioncleanup.SessionRef
		var noted bool
		var since sql.NullTime
		err := rows.Scan(&ref.ID, &ref.OwnerID, &ref.Name, &noted, &since, &w.now)
		if w.May(ref.ID) { // a collation may take another one for equal
			w.refs, w.since, w.noted = append(w.refs, ref), append(w.since, since.Time), w.noted || noted
		}
		return err
	})
	w.now = c.cut(w.now)
	return err
}

// chooseByTags is choose with rules by tag. It measures sessions by their current tags and ignores their class.
func (w *sweep) chooseByTags(ctx context.Context, c *conn, ids []any) error {
	cut := w.Cutoffs
	cut.Untracked = c.untracked()
	names := sqlfile.Names{
		"seen": c.seenOf(":ids", "NULL"), "session_columns": c.sql("session_columns", sqlfile.Names{"warning": statements["warning"]}),
		"owner_name": "''", "activity_count": "0",
	}
	return c.query(ctx, c.sql("list_some", names), params{"ids": ids}, func(rows *sql.Rows) error {
		var owner string
		var activity int64
		r, err := scan(rows, &owner, &activity)
		if err != nil {
			return err
		}
		w.now = c.cut(r.table.AsOf)
		if s := r.seen(c.layout); w.May(s.ID) && w.Filter.Matches(s) && cut.Due(w.Action, s) {
			w.refs, w.since, w.noted = append(w.refs, s.Ref()), append(w.since, s.KeptSince()), w.noted || !r.noted.IsZero()
		}
		return nil
	})
}

// write changes the selected sessions. It deletes the sessions that go along with a deletion, too, or skips those that
// must not be deleted together.
func (w *sweep) write(ctx context.Context, s *Store, c *conn) error {
	w.changed = w.refs
	if w.Action == sessioncleanup.ActionNoticed {
		since := make([]any, len(w.since))
		for i, at := range w.since {
			since[i] = ownConn{c}.Stamp(at)
		}
		return sqlstore.InsertNotices(ctx, ownConn{c}, w.refs, since, w.now)
	}
	if err := w.checkAlong(ctx, c, w.reach.links); err != nil {
		return err
	}
	ids := c.adopted.ID.list(sqlstore.IDs(w.changed))
	if len(ids) == 0 {
		return nil
	}
	if w.Action == sessioncleanup.ActionDeleted {
		if err := w.beforeDeletion(ctx, s, c, ids); err != nil {
			return err
		}
	}
	n, err := c.exec(ctx, c.sql(w.left[0].write, nil), params{"chosen": chosen(ids), "at": w.now})
	if err != nil || n == int64(len(ids)) {
		return err
	}
	if w.Action == sessioncleanup.ActionDeleted { // rows that a foreign key deleted before are not counted
		left, err := c.lock(ctx, ids, true)
		if err != nil || len(left) == 0 {
			return err
		}
	}
	return errLeftAlone
}

// beforeDeletion archives what belongs to the sessions to be deleted, removes what the library has of them, and measures them.
func (w *sweep) beforeDeletion(ctx context.Context, s *Store, c *conn, ids []any) error {
	if w.noted {
		if err := c.forgetNotesOf(ctx, ids); err != nil {
			return err
		}
	}
	if c.schema.SoftDelete {
		return nil
	}
	if w.Archive != nil {
		if err := s.archive(ctx, c, *w.Archive, w.Cause, w.now, w.changed, false); err != nil {
			return err
		}
	}
	if w.tagged {
		if err := c.removeTagsOf(ctx, ids); err != nil {
			return err
		}
	}
	return w.measure(ctx, c, ids)
}
