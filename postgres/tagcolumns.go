package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// This file has the tags of Schema.TagColumns follow their columns: a trigger does so, and Migrate tags the rows that
// were there before and removes the tags of columns that have none any more. See also
// migrations/postgres/tagcolumns.sql.

// fillTagColumns makes the placeholders for that.
func (m *mapping) fillTagColumns() {
	tags := func(row string) string {
		all := []string{}
		for i, prefix := range m.schema.TagPrefixes() {
			all = append(all, m.statement("column_tag", sqlfile.Names{"prefix": literal(prefix), "value": row + "." + sqlfile.Column(m.schema.TagColumns[i])}))
		}
		return "ARRAY[" + strings.Join(all, ", ") + "]::text[]"
	}
	n := m.names
	n["new_tags"], n["old_tags"], n["its_tags"] = tags("NEW"), tags("OLD"), tags("s")
	n["of_columns"] = prefixed("t.tag", m.schema.TagPrefixes())
	n["restored_of_columns"] = prefixed("(r.\"row\" ->> 'tag')", m.schema.TagPrefixes())
	n["mistagged"], n["tag_some"] = m.statement("mistagged"), m.statement("tag_some")
}

// prefixed is the condition for a tag to have one of some prefixes, which end with a colon. An index finds those.
func prefixed(tag string, prefixes []string) string {
	all := []string{"false"}
	for _, prefix := range prefixes {
		all = append(all, fmt.Sprintf(`%[1]s COLLATE "C" >= %[2]s AND %[1]s COLLATE "C" < %[3]s`, tag, literal(prefix), literal(strings.TrimSuffix(prefix, ":")+";")))
	}
	return "(" + strings.Join(all, " OR ") + ")"
}

// tagTrigger has the tags follow the columns.
func (m *mapping) tagTrigger() object {
	return object{Kind: "trigger", Space: m.table.space, Table: m.table.name, Name: "sessioncleanup_tag_columns"}
}

// planTags finds the columns of which there may be tags, and whether all of these tags are as they should be.
func (p *plan) planTags(triggered bool) {
	p.tagged = map[string]bool{}
	for column, done := range p.set.places.Tags {
		p.tagged[column] = done && triggered
	}
	for _, column := range p.m.schema.TagColumns {
		p.tagged[column] = p.tagged[column] && triggered
	}
	for column := range p.tagged {
		if !slices.Contains(p.m.schema.TagColumns, column) {
			p.tagged[column] = false
		}
	}
}

// addTagColumns tags the rows that were there before the trigger.
func (p *plan) addTagColumns(context.Context) error {
	untagged := func(column string) bool { return !p.tagged[column] }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(p.tagged)), untagged) {
		return nil
	}
	sql := []string{p.m.markTagging("false") + ";"}
	if gone := p.m.untagged(p.tagged); gone != nil {
		sql = append(sql, p.m.statement("untag_all", gone))
	}
	if len(p.m.schema.TagColumns) > 0 {
		sql = append(sql, p.m.statement("tag_all"))
	}
	p.add(step{about: "tag the sessions by the columns " + strings.Join(slices.Sorted(maps.Keys(p.tagged)), ", "), tags: true,
		sql: append(sql, "RESET "+p.m.label()+".writing;", p.m.taggedSQL())})
	return nil
}

// markTagging prevents notes of the sessions that get a tag.
func (m *mapping) markTagging(local string) string {
	return fmt.Sprintf("SELECT set_config('%s.writing', 'tagging', %s)", m.label(), local)
}

// untagged has the condition for tags of columns that have none any more; nil when there are none.
func (m *mapping) untagged(tagged map[string]bool) sqlfile.Names {
	var gone []string
	kept := m.schema.TagPrefixes()
	for _, prefix := range (sessioncleanup.Schema{TagColumns: slices.Sorted(maps.Keys(tagged))}).TagPrefixes() {
		if !slices.Contains(kept, prefix) {
			gone = append(gone, prefix)
		}
	}
	if gone == nil {
		return nil
	}
	return sqlfile.Names{"of_columns": prefixed("t.tag", gone)}
}

// taggedSQL notes that the tags are as they should be.
func (m *mapping) taggedSQL() string {
	done := map[string]bool{}
	for _, column := range m.schema.TagColumns {
		done[column] = true
	}
	return m.statement("settings_tagged", sqlfile.Names{"tags_json": literal(asJSON(done))})
}

// tagColumns does what addTagColumns says, in short transactions.
func (s *Store) tagColumns(ctx context.Context, p *plan) error {
	m := p.m
	if gone := m.untagged(p.tagged); gone != nil {
		for left := true; left; {
			err := s.persist(ctx, func() error {
				return s.inTx(ctx, func(batch *pgx.Batch) {
					batch.Queue(m.statement("untag_chunk", gone), mostChunk).Exec(func(done pgconn.CommandTag) error {
						left = done.RowsAffected() > 0
						return nil
					})
				}, nil)
			})
			if err != nil {
				return err
			}
		}
	}
	reports, deadline := s.reports(), time.Now().Add(s.cfg.MigrateWait)
	for len(m.schema.TagColumns) > 0 {
		locked, err := s.tagPass(ctx, m)
		if err != nil {
			return err
		}
		if locked == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %d sessions could not be tagged by their columns within %v, because others keep them locked; migrate again when that is over",
				sessioncleanup.ErrUnavailable, locked, s.cfg.MigrateWait)
		}
		reports.locked(ctx)
		if err := wait.For(ctx, pollLock); err != nil {
			return err
		}
	}
	return s.runStep(ctx, m, step{sql: []string{m.taggedSQL()}})
}

// tagPass goes through the sessions once, and returns how many it had to leave because others had them locked.
func (s *Store) tagPass(ctx context.Context, m *mapping) (locked int, err error) {
	var after *string
	size := firstChunk
	for {
		var last *string
		var seen, left int
		started := time.Now()
		err := s.persist(ctx, func() error {
			return s.inTx(ctx, func(batch *pgx.Batch) {
				batch.Queue(m.markTagging("true"))
				batch.Queue(m.statement("tag_chunk"), after, size).QueryRow(func(row pgx.Row) error { return row.Scan(&last, &seen, &left) })
			}, nil)
		})
		if err != nil {
			return locked, err
		}
		locked, after = locked+left, last
		if seen < size {
			return locked, nil
		}
		size = nextChunk(size, time.Since(started))
	}
}
