package mysql

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// followed is an error unless the triggers are there that notice what runs depend on: activity, and the tags of columns. Migrations
// of the application may have dropped them, with the table that they were on. A user who may see none of them cannot tell about activity.
func (s *Store) followed(ctx context.Context) error {
	return s.readingSessions(ctx, func(c *conn) error {
		there, read := map[string]bool{}, map[string]bool{}
		var missing []string
		for _, o := range c.triggers() {
			table := o.table
			if adopt.Own(table) {
				table = c.naming.sql(table)
			}
			if !read[table] {
				read[table] = true
				var names []string
				if err := c.query(ctx, statements["triggers_on"], params{"table": table}, sqlstore.Each(&names)); err != nil {
					return err
				}
				for _, name := range names {
					if own, mine := c.naming.read(name); mine {
						there[own] = true
					}
				}
			}
			if !there[o.name] {
				missing = append(missing, c.naming.sql(o.name))
			}
		}
		if len(c.schema.TagColumns) > 0 && (!c.adopted.Tagged || !there[columnInserted] || !there[columnUpdated]) {
			return sqlstore.Untagged(c.naming.sql(columnInserted), c.naming.sql(columnUpdated))
		}
		if len(there) > 0 && len(missing) > 0 {
			return sqlstore.Unnoticed(missing)
		}
		return nil
	})
}
