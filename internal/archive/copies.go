package archive

import (
	"cmp"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// Copies are the IDs that copies have in a backup, by those that they have while they are in the archive for a restore.
type Copies map[int64]int64

// Asked is a request with the copies as entries of the archive.
func (c Copies) Asked(r sessioncleanup.RestoreRequest) sessioncleanup.RestoreRequest {
	renewed := r.NewIDs
	r.IDs, r.NewIDs = slices.Clone(r.IDs), nil
	for _, id := range r.IDs {
		if slices.Contains(renewed, id) {
			r.NewIDs = append(r.NewIDs, id)
		}
	}
	for id, given := range c {
		r.IDs = append(r.IDs, id)
		if slices.Contains(renewed, given) {
			r.NewIDs = append(r.NewIDs, id)
		}
	}
	return r
}

// Answer is a result with the IDs that the copies have in the backup.
func (c Copies) Answer(out sessioncleanup.Restored) sessioncleanup.Restored {
	for i, e := range out.Entries {
		out.Entries[i].ID = cmp.Or(c[e.ID], e.ID)
	}
	renewed := out.NewIDs
	out.NewIDs = nil
	for id, text := range renewed {
		out.Rename(cmp.Or(c[id], id), text)
	}
	for i, o := range out.Obstacles {
		out.Obstacles[i].Entry = cmp.Or(c[o.Entry], o.Entry)
	}
	return out
}
