package sqlite

import "github.com/sessioncleanup/sessioncleanup/internal/sqlstore"

// unnoticed is an error unless the triggers are there that notice what runs depend on: activity, and the tags of columns. Migrations
// of the application drop them when they rebuild a table.
func (c *catalog) unnoticed(set settings, n naming) error {
	l := newLayout(set.schema, set.adopted, false)
	if len(set.schema.TagColumns) > 0 && (!set.adopted.Tagged || len(c.lacking(l.columnTriggers())) > 0) {
		return sqlstore.Untagged(n.sql("sessioncleanup_session_tagged"), n.sql("sessioncleanup_session_retagged"))
	}
	var missing []string
	for _, o := range l.triggers() {
		if c.object(o.name) == nil {
			missing = append(missing, n.sql(o.name))
		}
	}
	if len(missing) > 0 {
		return sqlstore.Unnoticed(missing)
	}
	return nil
}
