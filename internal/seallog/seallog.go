// Package seallog seals, erases and forgets entries of the audit log for the backends that use database/sql.
package seallog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Conn is a connection to a backend. The statements have the names and parameters of its seals.sql.
type Conn interface {
	Query(ctx context.Context, statement string, params map[string]any, scan func(*sql.Rows) error) error
	Exec(ctx context.Context, statement string, params map[string]any) (changed int64, err error)
}

// Log is the audit log on a connection.
type Log struct {
	Conn Conn
	// Stamp is a time as the statements take it.
	Stamp func(time.Time) any
	// Scan is where rows.Scan puts a time. One that cannot be read becomes zero, which changes the digest of its entry.
	Scan func(*time.Time) any
}

// Batch is the number of entries that one transaction erases or forgets. Each may hold a batch's sessions.
const Batch = 200

// sealsForgotten is the number of seals whose entries one transaction removes.
const sealsForgotten = Batch / sessioncleanup.MaxSeal

// errEnough ends the reading of entries.
var errEnough = errors.New("enough entries")

// Seal adds the next seal, in a transaction in which no older entry can appear.
func (l Log) Seal(ctx context.Context, limit int) (next sessioncleanup.Seal, err error) {
	last, err := l.last(ctx)
	if err != nil {
		return next, err
	}
	entries, err := l.entries(ctx, last.LastID, math.MaxInt64, limit, sessioncleanup.MaxSealSessions)
	if err != nil || len(entries) == 0 {
		return next, err
	}
	next = sessioncleanup.NextSeal(last, entries)
	_, err = l.Conn.Exec(ctx, "insert_seal", map[string]any{
		"number": next.Number, "first": next.FirstID, "last": next.LastID, "entries": next.Entries,
		"newest": l.Stamp(next.Newest), "digests": next.Digests, "hash": next.Hash,
	})
	return next, err
}

// Seals returns seals in their order.
func (l Log) Seals(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
	return l.seals(ctx, "list_seals", map[string]any{"after": after, "limit": limit})
}

// Entries returns entries as they are sealed.
func (l Log) Entries(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
	return l.entries(ctx, after, through, limit, math.MaxInt)
}

func (l Log) seals(ctx context.Context, statement string, p map[string]any) (seals []sessioncleanup.Seal, err error) {
	err = l.Conn.Query(ctx, statement, p, func(rows *sql.Rows) error {
		var seal sessioncleanup.Seal
		err := rows.Scan(&seal.Number, &seal.FirstID, &seal.LastID, &seal.Entries, l.Scan(&seal.Newest), &seal.Forgotten, &seal.Digests, &seal.Hash)
		seals = append(seals, seal)
		return err
	})
	return seals, err
}

// last is the newest seal, a zero one before the first.
func (l Log) last(ctx context.Context) (sessioncleanup.Seal, error) {
	seals, err := l.seals(ctx, "last_seal", nil)
	if len(seals) == 0 {
		return sessioncleanup.Seal{LastID: math.MinInt64}, err
	}
	return seals[0], err
}

// entries reads entries, until there are so many sessions in them.
func (l Log) entries(ctx context.Context, after, through int64, limit, sessions int) (entries []sessioncleanup.Entry, err error) {
	err = l.Conn.Query(ctx, "list_entries", map[string]any{"after": after, "through": through, "limit": limit}, func(rows *sql.Rows) error {
		if sessions <= 0 {
			return errEnough
		}
		e, run, proof, err := l.scan(rows)
		entries = append(entries, sessioncleanup.EntryOf(e, run, proof))
		sessions -= len(e.Sessions)
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return entries, err
}

// scan reads what EntryOf takes. Values that cannot be read any more are missing in it, which changes the entry's digest.
func (l Log) scan(rows *sql.Rows) (e sessioncleanup.Event, run, proof []byte, err error) {
	var sessions string
	err = rows.Scan(&e.ID, l.Scan(&e.At), &e.Action, &e.Actor, &e.Reason, &e.RunID, &sessions, &run, &proof)
	_ = json.Unmarshal([]byte(sessions), &e.Sessions)
	_ = e.SetDetails(run)
	return e, run, proof, err
}

// EraseOwner removes an owner from the entries after one, Batch of them, and returns the last of them and whether there are more.
func (l Log) EraseOwner(ctx context.Context, owner string, after int64) (erased int, last int64, more bool, err error) {
	seal, err := l.last(ctx)
	if err != nil {
		return 0, after, false, err
	}
	var found []sessioncleanup.Event
	var proofs [][]byte
	seen := 0
	err = l.Conn.Query(ctx, "list_entries", map[string]any{"after": after, "through": int64(math.MaxInt64), "limit": Batch}, func(rows *sql.Rows) error {
		e, run, proof, err := l.scan(rows)
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
			err = l.erase(ctx, e, proofs[i])
		}
	}
	return len(found), last, seen == Batch, err
}

// erase writes an entry without an owner.
func (l Log) erase(ctx context.Context, e sessioncleanup.Event, proof []byte) error {
	p := map[string]any{
		"id": e.ID, "actor": e.Actor, "reason": e.Reason, "sessions": nil, "proof": proof,
		"filtered": e.Run == nil || e.Run.Filter != sessioncleanup.Filter{},
	}
	if len(e.Sessions) > 0 {
		sessions, err := json.Marshal(e.Sessions)
		if err != nil {
			return err
		}
		p["sessions"] = string(sessions)
	}
	_, err := l.Conn.Exec(ctx, "erase_entry", p)
	return err
}

// Forget removes some of the entries from before a moment, but not the one to keep, and reports whether others are left.
// Those that are sealed go with all others of their seal.
func (l Log) Forget(ctx context.Context, before time.Time, keep int64) (more bool, err error) {
	p := map[string]any{"before": l.Stamp(before), "limit": sealsForgotten}
	old, err := l.seals(ctx, "old_seals", p)
	if err != nil {
		return false, err
	}
	for _, seal := range old {
		if _, err := l.Conn.Exec(ctx, "forget_seal", map[string]any{"number": seal.Number, "digests": seal.Forget().Digests}); err != nil {
			return false, err
		}
		if _, err := l.Conn.Exec(ctx, "forget_sealed", map[string]any{"first": seal.FirstID, "last": seal.LastID}); err != nil {
			return false, err
		}
	}
	p["keep"], p["limit"] = keep, Batch
	forgotten, err := l.Conn.Exec(ctx, "forget_events", p)
	return len(old) == sealsForgotten || forgotten == Batch, err
}

// EraseAll calls page, which erases in the entries after one in a transaction of its own, until there are no more.
func EraseAll(page func(after int64) (erased int, last int64, more bool, err error)) (int, error) {
	erased := 0
	for after, more := int64(math.MinInt64), true; more; {
		n, last, left, err := page(after)
		if err != nil {
			return erased, err
		}
		erased, after, more = erased+n, last, left
	}
	return erased, nil
}
