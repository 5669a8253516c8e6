package sqlite

import (
	"context"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// insertCopies puts copies into the archive, for a restore that removes them again, and returns their IDs by those that they
// have there.
func (w *restoration) insertCopies(ctx context.Context, copies []sessioncleanup.ArchivedCopy) (archive.Copies, error) {
	ids := archive.Copies{}
	if len(copies) == 0 {
		return ids, nil
	}
	var last int64
	if err := w.row(ctx, statements["number_entries"], params{"count": len(copies)}, &last); err != nil {
		return nil, err
	}
	a := &archiving{conn: w.conn}
	var entries []sessioncleanup.Archived
	reached := append(w.archival.names(), w.archival.sessions.name, tagsTable)
	for i, c := range copies {
		entry := c.Archived
		entry.ID = last - int64(len(copies)-1-i)
		ids[entry.ID] = c.ID
		for _, r := range c.Content {
			if r.Number > 1 && !slices.Contains(reached, r.Table) {
				w.TableForeign(entry, r.Table)
			}
			a.keep(entry.ID, r.Number, r.Table, r.Unlinked, string(r.Row))
		}
		entries = append(entries, entry)
	}
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	return ids, w.insertArchived(ctx, entries...)
}
