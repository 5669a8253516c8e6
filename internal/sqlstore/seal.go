package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// entriesAtOnce is the number of entries that one transaction erases or forgets. Each may hold a batch's sessions.
const entriesAtOnce = 200

// sealsForgotten is the number of seals whose entries one transaction removes.
const sealsForgotten = entriesAtOnce / sessioncleanup.MaxSeal

// Seal seals the oldest events without a seal. None older than they can appear: IDs are in the order of commits.
func (s Store) Seal(ctx context.Context, limit int) (sessioncleanup.Seal, error) {
	return Answer(ctx, s.b.Writing, func(c Conn) (sessioncleanup.Seal, error) {
		if err := c.LockLog(ctx); err != nil {
			return sessioncleanup.Seal{}, err
		}
		return addSeal(ctx, c, limit)
	})
}

func addSeal(ctx context.Context, c Conn, limit int) (next sessioncleanup.Seal, err error) {
	last, err := lastSeal(ctx, c)
	if err != nil {
		return next, err
	}
	entries, err := readEntries(ctx, c, last.LastID, math.MaxInt64, limit, sessioncleanup.MaxSealSessions)
	if err != nil || len(entries) == 0 {
		return next, err
	}
	next = sessioncleanup.NextSeal(last, entries)
	_, err = c.Exec(ctx, c.SQL("insert_seal", nil), Params{
		"number": next.Number, "first": next.FirstID, "last": next.LastID, "entries": next.Entries,
		"newest": next.Newest, "digests": next.Digests, "hash": next.Hash,
	})
	return next, err
}

// Seals returns seals in their order.
func (s Store) Seals(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) ([]sessioncleanup.Seal, error) {
		return readSeals(ctx, c, "list_seals", Params{"after": after, "limit": limit})
	})
}

// Entries returns events as they are sealed.
func (s Store) Entries(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
	return Answer(ctx, s.b.Reading, func(c Conn) ([]sessioncleanup.Entry, error) {
		return readEntries(ctx, c, after, through, limit, math.MaxInt)
	})
}

// EraseOwner removes an owner from all events, in pages of the log.
func (s Store) EraseOwner(ctx context.Context, owner string) (erased int, err error) {
	for after, more := int64(math.MinInt64), true; more; {
		n := 0
		err = s.b.Writing(ctx, func(c Conn) (err error) {
			if err = c.LockLog(ctx); err == nil {
				n, after, more, err = erasePage(ctx, c, owner, after)
			}
			return err
		})
		if err != nil {
			return erased, err
		}
		erased += n
	}
	return erased, nil
}

func readSeals(ctx context.Context, c Conn, statement string, p Params) (seals []sessioncleanup.Seal, err error) {
	err = c.Query(ctx, c.SQL(statement, nil), p, func(rows *sql.Rows) error {
		var seal sessioncleanup.Seal
		err := rows.Scan(&seal.Number, &seal.FirstID, &seal.LastID, &seal.Entries, anyTime{&seal.Newest}, &seal.Forgotten, &seal.Digests, &seal.Hash)
		seals = append(seals, seal)
		return err
	})
	return seals, err
}

// anyTime scans a time. One that cannot be read becomes zero, which changes the digest of its entry.
type anyTime struct{ to *time.Time }

// Scan sets the time.
func (t anyTime) Scan(value any) error {
	if Time(t.to).Scan(value) != nil {
		*t.to = time.Time{}
	}
	return nil
}

// lastSeal is the newest seal, a zero one before the first.
func lastSeal(ctx context.Context, c Conn) (sessioncleanup.Seal, error) {
	seals, err := readSeals(ctx, c, "last_seal", nil)
	if len(seals) == 0 {
		return sessioncleanup.Seal{LastID: math.MinInt64}, err
	}
	return seals[0], err
}

// readEntries reads entries until they have that number of sessions, or limit is reached.
func readEntries(ctx context.Context, c Conn, after, through int64, limit, sessions int) (entries []sessioncleanup.Entry, err error) {
	err = c.Query(ctx, c.SQL("list_entries", nil), Params{"after": after, "through": through, "limit": limit}, func(rows *sql.Rows) error {
		if sessions <= 0 {
			return errEnough
		}
		e, run, proof, err := scanEntry(rows)
		entries = append(entries, sessioncleanup.EntryOf(e, run, proof))
		sessions -= len(e.Sessions)
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return entries, err
}

// scanEntry reads what EntryOf takes. Values that cannot be read any more are missing in it, which changes the entry's digest.
func scanEntry(rows *sql.Rows) (e sessioncleanup.Event, run, proof []byte, err error) {
	var sessions string
	err = rows.Scan(&e.ID, anyTime{&e.At}, &e.Action, &e.Actor, &e.Reason, &e.RunID, &sessions, &run, &proof)
	_ = json.Unmarshal([]byte(sessions), &e.Sessions)
	_ = e.SetDetails(run)
	return e, run, proof, err
}

// erasePage removes an owner from the entries after one, entriesAtOnce of them, and returns the last of them and whether there are more.
func erasePage(ctx context.Context, c Conn, owner string, after int64) (erased int, last int64, more bool, err error) {
	seal, err := lastSeal(ctx, c)
	if err != nil {
		return 0, after, false, err
	}
	var found []sessioncleanup.Event
	var proofs [][]byte
	seen := 0
	err = c.Query(ctx, c.SQL("list_entries", nil), Params{"after": after, "through": int64(math.MaxInt64), "limit": entriesAtOnce}, func(rows *sql.Rows) error {
		e, run, proof, err := scanEntry(rows)
		seen, last = seen+1, e.ID
		bare, changed := e.WithoutOwner(owner)
		if err != nil || !changed {
			return err
		}
		if e.ID <= seal.LastID {
			proof = sessioncleanup.EntryOf(e, run, proof).Erased(sessioncleanup.EntryOf(bare, run, nil).Personal)
		}
		found, proofs = append(found, bare), append(proofs, proof)
		return nil
	})
	for i, e := range found {
		if err == nil {
			err = erase(ctx, c, e, proofs[i])
		}
	}
	return len(found), last, seen == entriesAtOnce, err
}

// erase writes an entry without an owner.
func erase(ctx context.Context, c Conn, e sessioncleanup.Event, proof []byte) error {
	_, err := c.Exec(ctx, c.SQL("erase_entry", nil), Params{
		"id": e.ID, "actor": e.Actor, "reason": e.Reason, "sessions": sessionsOf(e), "proof": proof,
		"filtered": e.Run == nil || e.Run.Filter != sessioncleanup.Filter{},
	})
	return err
}

// forgetEvents removes some of the entries from before a moment, but not the one to keep, and reports whether others are left.
// Those that are sealed go with all others of their seal.
func forgetEvents(ctx context.Context, c Conn, before time.Time, keep int64) (more bool, err error) {
	p := Params{"before": before, "limit": sealsForgotten}
	old, err := readSeals(ctx, c, "old_seals", p)
	if err != nil {
		return false, err
	}
	for _, seal := range old {
		if _, err := c.Exec(ctx, c.SQL("forget_seal", nil), Params{"number": seal.Number, "digests": seal.Forget().Digests}); err != nil {
			return false, err
		}
		if _, err := c.Exec(ctx, c.SQL("forget_sealed", nil), Params{"first": seal.FirstID, "last": seal.LastID}); err != nil {
			return false, err
		}
	}
	p["keep"], p["limit"] = keep, entriesAtOnce
	forgotten, err := c.Exec(ctx, c.SQL("forget_events", nil), p)
	return len(old) == sealsForgotten || forgotten == entriesAtOnce, err
}
