package postgres

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// refuseBlocked fails when something of the application's depends on what a command is about to drop: objects that Migrate
// made and others, by their numbers in the catalog. A dependency through the relation that stays is no reason. The
// error lists all of it: an ErrInvalid, before anything is changed.
func refuseBlocked(ctx context.Context, q *guarded, command string, objects []object, others []uint32, stays string) error {
	data, err := json.Marshal(append([]object{}, objects...)) // an array, even if empty
	if err != nil {
		return err
	}
	found, err := allRows(ctx, q, "look for what depends on it", pgx.RowTo[string], statements["blockers"], string(data), others, orNull(stays))
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return invalid.Databasef("nothing was changed: these depend on what %s has to drop: %s; drop them first, and recreate them afterwards where possible",
			command, strings.Join(found, ", "))
	}
	return nil
}
