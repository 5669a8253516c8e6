package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// warn logs what makes runs slow, or do less than one may expect.
func (s *Store) warn(ctx context.Context) error {
	var warnings []string
	err := s.reading(ctx, func(c *conn) error {
		set, err := readSettings(ctx, c)
		if err != nil {
			return err
		}
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return err
		}
		if set.adopted.untracked(set.schema) {
			warnings = append(warnings, fmt.Sprintf("nothing shows when the sessions in table %q are used: only sessions with an expiry are ever cleaned up. "+
				"If the application reports all activity, call Migrate with Schema.AppTouches (command: migrate --untracked)", set.schema.Table))
		}
		warnings = append(warnings, catalog.slowKeys(set.schema)...)
		return nil
	})
	if errors.Is(err, sessioncleanup.ErrNotInstalled) {
		return nil
	}
	for _, warning := range warnings {
		s.log.WarnContext(ctx, warning)
	}
	return err
}

// slowKeys are the foreign keys, at any depth, for which SQLite reads a whole table whenever a session is deleted.
func (c *catalog) slowKeys(s sessioncleanup.Schema) []string {
	var warnings []string
	seen := map[*table]bool{}
	for next := []*table{c.find(s.Table)}; len(next) > 0; next = next[1:] {
		parent := next[0]
		if parent == nil || seen[parent] {
			continue
		}
		seen[parent] = true
		for _, child := range c.ordinary() {
			for _, k := range child.keys {
				if !strings.EqualFold(k.table, parent.name) {
					continue
				}
				if !child.indexedBy(k.columns, func(index) bool { return true }) {
					warnings = append(warnings, fmt.Sprintf("deleting from %q reads all of %q, because no index finds the rows that refer to it: CREATE INDEX %s ON %s (%s)",
						parent.name, child.name, sqlfile.Column(child.name+"_"+strings.Join(k.columns, "_")), sqlfile.Column(child.name), columnList(k.columns)))
				}
				if k.onDelete == "CASCADE" {
					next = append(next, child)
				}
			}
		}
	}
	return warnings
}

func columnList(columns []string) string {
	quoted := make([]string, len(columns))
	for i, column := range columns {
		quoted[i] = sqlfile.Column(column)
	}
	return strings.Join(quoted, ", ")
}
