package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// indexState is an index in the catalog.
type indexState struct {
	Name  string
	Valid bool
	Text  string // its definition, from the first parenthesis on
	Loose bool   // of a partition, and not part of its parent's index
	Mark  string // its comment
	Part  bool   // of its parent's index: it is dropped with that
}

// addIndexes builds the missing indexes without blocking writers. On a partitioned table, each partition's index is built
// by itself and then attached to the parent's.
func (p *plan) addIndexes(ctx context.Context) error {
	partitioned := p.m.table.kind == "p" && !p.create
	tables := []branch{{OID: p.m.table.oid, Space: p.m.table.space, Name: p.m.table.name}}
	if partitioned {
		var err error
		if tables, err = branches(ctx, p.q, p.m.table.oid); err != nil {
			return mapError("look for partitions of "+p.m.table.path(), err)
		}
	}
	found := map[uint32]indexed{}
	for _, b := range tables {
		var err error
		if found[b.OID], err = indexesOf(ctx, p.q, b.OID); err != nil {
			return mapError("look for indexes of "+b.sql(), err)
		}
	}
	for _, kind := range []string{"idle", "expired", "gone", "class_idle", "class_expired", "class_gone", "undated", "ended", "classed", "protected"} { // batches and lists read them in order
		for _, b := range tables {
			p.addIndex(kind, b, found[b.OID], partitioned)
		}
	}
	return nil
}

func (p *plan) addIndex(kind string, b branch, table indexed, partitioned bool) {
	definition := p.m.statement("index_" + kind)
	name := short(b.Name, "sessioncleanup", kind)
	path := sqlfile.Column(b.Space) + "." + sqlfile.Column(name)
	mark := step{about: "mark the index " + name, sql: []string{fmt.Sprintf("COMMENT ON INDEX %s IS %s;", path, literal(markOf(definition)))}}
	o := object{Kind: "index", Space: b.Space, Name: name}
	for _, i := range table.indexes {
		switch {
		case i.Valid && (i.Name == name && i.Mark == markOf(definition) || normalIndex(i.Text) == normalIndex(definition) && (!partitioned || i.Name == name)):
			if i.Name == name && i.Mark == "" && p.has(o) { // an earlier migration was stopped in between
				p.add(mark)
			}
			if i.Loose {
				p.attachIndex(kind, table, path)
			}
			return
		case i.Name == name && !i.Valid && table.parent && i.Mark == markOf(definition):
			// invalid until its partitions' indexes are attached, which later steps do
			return
		case i.Name == name && i.Part:
			// dropped with its parent's, which an earlier step does
		case i.Name == name && table.parent:
			p.add(step{about: "drop the index " + name + ", which is out of date", sql: []string{"DROP INDEX IF EXISTS " + path + ";"}})
		case i.Name == name:
			p.add(step{about: "drop the index " + name + ", which is unfinished or out of date", alone: true, sql: []string{"DROP INDEX CONCURRENTLY IF EXISTS " + path + ";"}})
		}
	}
	if table.parent {
		p.add(step{about: "prepare the index " + name, adds: []object{o},
			sql: []string{fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON ONLY %s %s;", sqlfile.Column(name), b.sql(), definition)}})
	} else {
		p.add(step{about: "build the index " + name, adds: []object{o}, alone: true, index: path,
			sql: []string{fmt.Sprintf("CREATE INDEX CONCURRENTLY IF NOT EXISTS %s ON %s %s;", sqlfile.Column(name), b.sql(), definition)}})
	}
	p.add(mark)
	p.attachIndex(kind, table, path)
}

// attachIndex makes a partition's index a part of its parent's.
func (p *plan) attachIndex(kind string, table indexed, path string) {
	if table.of.Name == "" {
		return
	}
	parent := relation{space: table.of.Space, name: short(table.of.Name, "sessioncleanup", kind)}
	p.add(step{about: "attach the index " + path, sql: []string{fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s;", parent.sql(), path)}})
}

// indexed is a table with its indexes.
type indexed struct {
	parent  bool   // the table is partitioned
	of      branch // the table of which it is a partition; zero for none
	indexes []indexState
}

func indexesOf(ctx context.Context, q *guarded, table uint32) (t indexed, err error) {
	err = q.QueryRow(ctx, `
		SELECT c.relkind = 'p', coalesce(p.relname, ''), coalesce(n.nspname, '')
		  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
		  LEFT JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p' LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
		 WHERE c.oid = $1::oid`, table).Scan(&t.parent, &t.of.Name, &t.of.Space)
	if err != nil {
		return t, ignoreNoRows(err) // the table does not exist yet
	}
	rows, err := q.Query(ctx, `
		SELECT c.relname, i.indisvalid AND i.indisready, pg_get_indexdef(i.indexrelid), t.relispartition AND NOT c.relispartition,
		       coalesce(obj_description(c.oid, 'pg_class'), ''), c.relispartition
		  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
		 WHERE i.indrelid = $1::oid`, table)
	if err != nil {
		return t, err
	}
	t.indexes, err = pgx.CollectRows(rows, pgx.RowToStructByPos[indexState])
	for i := range t.indexes {
		_, columns, _ := strings.Cut(t.indexes[i].Text, " USING btree ")
		t.indexes[i].Text = columns
	}
	return t, err
}

// normalIndex makes an index's definition comparable with what the server writes of it.
func normalIndex(definition string) string {
	return strings.ToLower(strings.NewReplacer(`"`, "", "(", "", ")", "", " ", "", "::text", "").Replace(definition))
}
