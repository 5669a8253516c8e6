package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Seal seals the oldest entries without a seal, in the database.
func (s *Store) Seal(ctx context.Context, limit int) (sessioncleanup.Seal, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return sessioncleanup.Seal{}, err
	}
	var number *int64
	var seal sessioncleanup.Seal
	err = s.inTx(ctx, func(batch *pgx.Batch) {
		batch.Queue(m.statement("seal"), limit).QueryRow(func(row pgx.Row) error { return row.Scan(&number) })
	}, func(batch *pgx.Batch) error {
		if number != nil {
			batch.Queue(m.statement("seals"), *number-1, 1).QueryRow(func(row pgx.Row) (err error) {
				seal, err = scanSeal(row)
				return err
			})
		}
		return nil
	})
	if err != nil {
		return sessioncleanup.Seal{}, s.failed("seal the audit log", err)
	}
	return seal, nil
}

// Seals returns seals in their order.
func (s *Store) Seals(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
	return collect(ctx, s, "seals", func(row pgx.CollectableRow) (sessioncleanup.Seal, error) { return scanSeal(row) }, after, limit)
}

// Entries returns entries as they are sealed.
func (s *Store) Entries(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
	return collect(ctx, s, "entries", func(row pgx.CollectableRow) (sessioncleanup.Entry, error) { return scanEntry(row) }, after, through, limit)
}

// collect reads the rows of a statement.
func collect[T any](ctx context.Context, s *Store, statement string, scan pgx.RowToFunc[T], args ...any) ([]T, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	all, err := allRows(ctx, s.pool, "read "+statement, scan, m.statement(statement), args...)
	if errors.Is(err, sessioncleanup.ErrNotInstalled) {
		s.forget()
	}
	return all, err
}

func scanSeal(row pgx.Row) (seal sessioncleanup.Seal, err error) {
	err = row.Scan(&seal.Number, &seal.FirstID, &seal.LastID, &seal.Entries, &seal.Newest, &seal.Forgotten, &seal.Digests, &seal.Hash)
	seal.Newest = seal.Newest.UTC()
	return seal, err
}

// scanEntry reads an entry, without its time: that is one of its texts.
func scanEntry(row pgx.Row) (e sessioncleanup.Entry, err error) {
	var fixed, personal [][]byte
	err = row.Scan(&e.ID, &fixed, &personal, &e.Proof)
	e.Fixed, e.Personal = stringsOf(fixed), stringsOf(personal)
	return e, err
}

func stringsOf(texts [][]byte) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = string(text)
	}
	return all
}

// eraseBatch is the number of entries that one transaction erases an owner from.
const eraseBatch = 100

// named is an entry that names an owner.
type named struct {
	event  sessioncleanup.Event
	sealed bool
	entry  sessioncleanup.Entry // before the erasure
}

// EraseOwner removes an owner from all entries. Only the owner of the tables may.
func (s *Store) EraseOwner(ctx context.Context, owner string) (int, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	for erased := 0; ; {
		var found []named
		err := s.transact(ctx, s.cfg.BatchTimeout, func(batch *pgx.Batch) {
			batch.Queue(m.statement("erase_lock"))
			batch.Queue(m.statement("erase_find"), owner, eraseBatch).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n named, err error) {
					n.event, err = scanEvent(row, &n.sealed)
					return n, err
				})
				return err
			})
		}, func(batch *pgx.Batch) error {
			for i, n := range found {
				batch.Queue(m.statement("entries"), n.event.ID-1, n.event.ID, 1).QueryRow(func(row pgx.Row) (err error) {
					found[i].entry, err = scanEntry(row)
					return err
				})
			}
			return nil
		}, func(batch *pgx.Batch) error {
			for _, n := range found {
				n.erase(batch, m, owner)
			}
			return nil
		})
		if err != nil {
			return erased, s.failed("erase an owner from the audit log", err)
		}
		if erased += len(found); len(found) < eraseBatch {
			return erased, nil
		}
	}
}

// erase queues what empties an entry. Its personal texts are those of the statement sealed_texts.
func (n named) erase(batch *pgx.Batch, m *mapping, owner string) {
	bare, _ := n.event.WithoutOwner(owner)
	owners, names := []string{}, []string{}
	for _, ref := range bare.Sessions {
		owners, names = append(owners, ref.OwnerID), append(names, ref.Name)
	}
	filtered := bare.Run == nil || bare.Run.Filter != sessioncleanup.Filter{}
	batch.Queue(m.statement("erase"), bare.ID, bare.Actor, bare.Reason, owners, names, filtered)
	if !n.sealed {
		return
	}
	filter := n.entry.Personal[2]
	if !filtered {
		filter = ""
	}
	personal := []string{bare.Actor, bare.Reason, filter}
	if len(n.entry.Personal) > len(personal) {
		for _, ref := range bare.Sessions {
			personal = append(personal, ref.OwnerID+ref.Name)
		}
	}
	batch.Queue(m.statement("erase_proof"), bare.ID, n.entry.Erased(personal))
}
