package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// Seal seals the oldest events without a seal. IDs are in the order of commits, so that none older than they can appear;
// nobody forgets or erases events meanwhile.
func (s *Store) Seal(ctx context.Context, limit int) (sessioncleanup.Seal, error) {
	var next sessioncleanup.Seal
	err := s.writing(ctx, func(c *conn) error {
		if err := c.lockLog(ctx); err != nil {
			return err
		}
		last, err := c.lastSeal(ctx)
		if err != nil {
			return err
		}
		entries, err := c.entries(ctx, last.LastID, math.MaxInt64, limit, sessioncleanup.MaxSealSessions)
		if err != nil || len(entries) == 0 {
			return err
		}
		next = sessioncleanup.NextSeal(last, entries)
		_, err = c.exec(ctx, statements["insert_seal"], params{
			"number": next.Number, "first": next.FirstID, "last": next.LastID, "entries": next.Entries,
			"newest": next.Newest, "digests": next.Digests, "hash": next.Hash,
		})
		return err
	})
	if err != nil {
		return sessioncleanup.Seal{}, err
	}
	return next, nil
}

// Seals returns seals in their order.
func (s *Store) Seals(ctx context.Context, after int64, limit int) (seals []sessioncleanup.Seal, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		seals, err = c.seals(ctx, "list_seals", params{"after": after, "limit": limit})
		return err
	})
	return seals, err
}

// Entries returns events as they are sealed.
func (s *Store) Entries(ctx context.Context, after, through int64, limit int) (entries []sessioncleanup.Entry, err error) {
	err = s.reading(ctx, func(c *conn) error {
		if _, err := readStored(ctx, c); err != nil {
			return err
		}
		entries, err = c.entries(ctx, after, through, limit, math.MaxInt)
		return err
	})
	return entries, err
}

// lockLog keeps others from sealing, forgetting and erasing events until the transaction ends. Those who add events do
// not wait.
func (c *conn) lockLog(ctx context.Context) error {
	if _, err := readStored(ctx, c); err != nil {
		return err
	}
	var last int64
	return c.row(ctx, statements["lock_log"], nil, &last)
}

func (c *conn) seals(ctx context.Context, statement string, p params) (seals []sessioncleanup.Seal, err error) {
	err = c.query(ctx, statements[statement], p, func(rows *sql.Rows) error {
		var seal sessioncleanup.Seal
		err := rows.Scan(&seal.Number, &seal.FirstID, &seal.LastID, &seal.Entries, &seal.Newest, &seal.Forgotten, &seal.Digests, &seal.Hash)
		seals = append(seals, seal)
		return err
	})
	return seals, err
}

// lastSeal is the newest seal, a zero one before the first.
func (c *conn) lastSeal(ctx context.Context) (sessioncleanup.Seal, error) {
	seals, err := c.seals(ctx, "last_seal", nil)
	if len(seals) == 0 {
		return sessioncleanup.Seal{LastID: math.MinInt64}, err
	}
	return seals[0], err
}

// entries reads entries, until there are so many sessions in them.
func (c *conn) entries(ctx context.Context, after, through int64, limit, sessions int) (entries []sessioncleanup.Entry, err error) {
	err = c.query(ctx, statements["list_entries"], params{"after": after, "through": through, "limit": limit}, func(rows *sql.Rows) error {
		if sessions <= 0 {
			return errEnough
		}
		e, run, proof, err := scanSealed(rows)
		entries = append(entries, sessioncleanup.EntryOf(e, run, proof))
		sessions -= len(e.Sessions)
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return entries, err
}

// scanSealed reads what EntryOf takes. Values that cannot be read any more are missing in it, which changes the entry's digest.
func scanSealed(rows *sql.Rows) (e sessioncleanup.Event, run, proof []byte, err error) {
	var sessions string
	err = rows.Scan(&e.ID, &e.At, &e.Action, &e.Actor, &e.Reason, &e.RunID, &sessions, &run, &proof)
	_ = json.Unmarshal([]byte(sessions), &e.Sessions)
	_ = e.SetDetails(run)
	return e, run, proof, err
}

// EraseOwner removes an owner from all events, in pages of the log.
func (s *Store) EraseOwner(ctx context.Context, owner string) (int, error) {
	erased := 0
	for after, more := int64(math.MinInt64), true; more; {
		page := 0
		err := s.writing(ctx, func(c *conn) (err error) {
			if err := c.lockLog(ctx); err != nil {
				return err
			}
			page, after, more, err = c.eraseOwner(ctx, owner, after)
			return err
		})
		if err != nil {
			return erased, err
		}
		erased += page
	}
	return erased, nil
}

// eraseOwner erases in the events after one, forgetBatch of them, and returns the last of them and whether there are more.
func (c *conn) eraseOwner(ctx context.Context, owner string, after int64) (erased int, last int64, more bool, err error) {
	seal, err := c.lastSeal(ctx)
	if err != nil {
		return 0, after, false, err
	}
	var found []sessioncleanup.Event
	var proofs [][]byte
	seen := 0
	err = c.query(ctx, statements["list_entries"], params{"after": after, "through": int64(math.MaxInt64), "limit": forgetBatch}, func(rows *sql.Rows) error {
		e, run, proof, err := scanSealed(rows)
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
			err = c.eraseEntry(ctx, e, proofs[i])
		}
	}
	return len(found), last, seen == forgetBatch, err
}

// eraseEntry writes an event without an owner.
func (c *conn) eraseEntry(ctx context.Context, e sessioncleanup.Event, proof []byte) error {
	p := params{
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
	_, err := c.exec(ctx, statements["erase_entry"], p)
	return err
}

// sealsForgotten is the number of seals whose events one transaction removes.
const sealsForgotten = forgetBatch / sessioncleanup.MaxSeal

// forget removes some of the events from before a moment, but not the one to keep, and reports whether others are left.
// Those that are sealed go with all others of their seal.
func (c *conn) forget(ctx context.Context, before time.Time, keep int64) (more bool, err error) {
	p := params{"before": before, "limit": sealsForgotten}
	old, err := c.seals(ctx, "old_seals", p)
	if err != nil {
		return false, err
	}
	for _, seal := range old {
		if _, err := c.exec(ctx, statements["forget_seal"], params{"number": seal.Number, "digests": seal.Forget().Digests}); err != nil {
			return false, err
		}
		if _, err := c.exec(ctx, statements["forget_sealed"], params{"first": seal.FirstID, "last": seal.LastID}); err != nil {
			return false, err
		}
	}
	p["keep"], p["limit"] = keep, forgetBatch
	forgotten, err := c.exec(ctx, statements["forget_events"], p)
	return len(old) == sealsForgotten || forgotten == forgetBatch, err
}
