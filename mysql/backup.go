package mysql

import (
	"context"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archive"
)

// insertCopies puts copies into the archive, for a restore that removes them again.
func (w *restoration) insertCopies(ctx context.Context, copies []sessioncleanup.ArchivedCopy) (archive.Copies, error) {
	ids := archive.Copies{}
	reached := append(w.catalog.archival(w.schema).names(), w.schema.Table)
	for _, given := range copies {
		entry := given.Archived
		made, err := w.insertArchived(ctx, []sessioncleanup.Archived{entry})
		if err != nil {
			return nil, err
		}
		entry.ID = made[0]
		ids[entry.ID] = given.ID
		for i, r := range given.Content {
			if i > 0 && !slices.Contains(reached, r.Table) {
				w.TableForeign(entry, r.Table)
			}
			_, err := w.execLarge(ctx, statements["insert_archived_row"], params{"entry": entry.ID, "table": r.Table, "unlinked": r.Unlinked, "content": string(r.Row)})
			if err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}
