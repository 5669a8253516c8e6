package sqlite_test

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// TestArchiveAndRestoreOnRandomSchemasChangeNothing deletes sessions of random tables, with rows of random tables that belong
// to them, into the archive, by runs and one by one, and restores them, from the
// archive or from a backup: then every value of every table is what it was.
func TestArchiveAndRestoreOnRandomSchemasChangeNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for seed := range 2 * *seeds {
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			t.Parallel()
			f := randomFamily(rand.New(rand.NewPCG(seed+1, 19)))
			path, app := newApp(t, f.ddl...)
			app.SetMaxOpenConns(1)
			f.fill(t, app)
			defer func() {
				if t.Failed() {
					t.Logf("the application's tables:\n%s", strings.Join(f.ddl, ";\n"))
				}
			}()
			store := open(t, path, sqlite.Config{})
			policy := sessioncleanup.Policy{Archive: sessioncleanup.On, MaxDeleteFraction: 1}
			migrateWith(t, store, policy)
			execute(t, app, "UPDATE sessions SET active = 0, last_activity = ?1, deactivated_at = ?1 WHERE id % 3 = 0", stamp(time.Now().Add(-60*day)))
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for n := range f.sessions {
				ids = append(ids, fmt.Sprint(n+1))
			}
			archivetest.Family{
				Store: store, Manager: manager, Random: f.random, Sessions: ids, FromBackup: seed%2 == 1,
				Values: func() any { return f.values(t, app) }, Count: func(query string) int { return number(t, app, query) },
			}.ThereAndBack(t)
			if broken := lines(t, app, "PRAGMA foreign_key_check"); len(broken) > 0 {
				t.Errorf("references to nothing: %v", broken)
			}
		})
	}
}

// family is a random table of sessions with tables that depend on it.
type family struct {
	random   *rand.Rand
	sessions int
	ddl      []string
	tables   []member
}

// member is one of the tables; the first are the sessions.
type member struct {
	name    string
	columns []string   // of values that nothing refers to
	refs    []refersTo // its foreign keys
	without bool       // it has no rowid
}

type refersTo struct {
	columns []string
	parent  int // number of the table
	tenant  bool
}

func randomFamily(r *rand.Rand) *family {
	f := &family{random: r, sessions: 12}
	strict := map[bool]string{true: " STRICT", false: ""}
	types := func(strict bool) []string {
		if strict {
			return []string{"ANY", "ANY", "ANY"}
		}
		return []string{"", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB", "DATETIME", "BOOLEAN", "DECIMAL(10, 2)", "VARCHAR(9) COLLATE NOCASE"}
	}
	for n := range 2 + r.IntN(5) {
		m := member{name: fmt.Sprint("child ", n)}
		isStrict := r.IntN(4) == 0
		var parts []string
		if n == 0 {
			m.name = "sessions"
			parts = []string{"id INTEGER PRIMARY KEY", "updated_at TEXT"}
			isStrict = false
		} else if m.without = r.IntN(4) == 0; m.without {
			parts = []string{"id INTEGER NOT NULL"}
		} else {
			parts = []string{pick(r, "id INTEGER PRIMARY KEY", "id INTEGER NOT NULL", "id INTEGER")}
		}
		parts = append(parts, "tenant INTEGER NOT NULL DEFAULT 7", "twice INTEGER GENERATED ALWAYS AS (2 * id) "+pick(r, "STORED", "VIRTUAL"))
		for i := range r.IntN(4) {
			m.columns = append(m.columns, fmt.Sprint("value ", i))
			parts = append(parts, fmt.Sprintf(`"value %d" %s`, i, pick(r, types(isStrict)...)))
		}
		keys := r.IntN(2)
		if n > 0 {
			keys = 1 + r.IntN(2)
		}
		var constraints []string
		for i := range keys {
			ref := refersTo{columns: []string{fmt.Sprint("ref", i)}, parent: r.IntN(n + 1)}
			if n > 0 && i == 0 {
				ref.parent = r.IntN(n) // it leads to the sessions
			}
			action := pick(r, "CASCADE", "CASCADE", "SET NULL", "SET DEFAULT")
			to := "(id)"
			if ref.tenant = r.IntN(3) == 0; ref.tenant {
				ref.columns, to = append(ref.columns, fmt.Sprint("ref_tenant", i)), "(id, tenant)"
				parts = append(parts, fmt.Sprintf("ref_tenant%d INTEGER", i))
			}
			parts = append(parts, fmt.Sprintf("ref%d INTEGER", i))
			parent := m.name
			if ref.parent < n {
				parent = f.tables[ref.parent].name
			}
			constraints = append(constraints, fmt.Sprintf(`FOREIGN KEY (%s) REFERENCES "%s" %s ON DELETE %s%s`, strings.Join(ref.columns, ", "), parent, to, action,
				pick(r, "", " DEFERRABLE INITIALLY DEFERRED")))
			m.refs = append(m.refs, ref)
		}
		options := strict[isStrict]
		if m.without {
			options = " WITHOUT ROWID" + map[bool]string{true: ", STRICT", false: ""}[isStrict]
			constraints = append(constraints, "PRIMARY KEY "+pick(r, "(id)", "(tenant, id)", "(id, tenant)"))
		}
		constraints = append(constraints, "UNIQUE (id)", "UNIQUE (id, tenant)")
		f.ddl = append(f.ddl, fmt.Sprintf(`CREATE TABLE "%s" (%s)%s`, m.name, strings.Join(append(parts, constraints...), ", "), options))
		for _, ref := range m.refs {
			f.ddl = append(f.ddl, fmt.Sprintf(`CREATE INDEX "%s %s" ON "%[1]s" (%[2]s)`, m.name, ref.columns[0]))
		}
		f.tables = append(f.tables, m)
	}
	return f
}

// fill adds rows of which some refer to others.
func (f *family) fill(t *testing.T, app *sql.DB) {
	t.Helper()
	r := f.random
	odd := []any{
		nil, int64(0), int64(math.MaxInt64), int64(math.MinInt64), 0.1, -1.5e308, math.Inf(1), math.Copysign(0, -1), 5e-324, 1e15 + 0.3, "", "text", "12", "1e3", "a\x00b",
		"\xff\xfe", "日本 'quoted' \"twice\" \\ <&>", []byte{}, []byte{0, 255}, "2026-01-02 03:04:05", "true", strings.Repeat("long", 500),
	}
	for n, m := range f.tables {
		for id := 1; id <= f.sessions; id++ {
			columns, values := []string{"id"}, []any{id}
			for _, c := range m.columns {
				columns, values = append(columns, c), append(values, odd[r.IntN(len(odd))])
			}
			for _, ref := range m.refs {
				most := f.sessions
				if ref.parent == n {
					most = id - 1
				}
				if most == 0 || r.IntN(4) == 0 {
					continue
				}
				columns, values = append(columns, ref.columns[0]), append(values, 1+r.IntN(most))
				if ref.tenant {
					columns, values = append(columns, ref.columns[1]), append(values, 7)
				}
			}
			execute(t, app, fmt.Sprintf(`INSERT INTO "%s" ("%s") VALUES (?%s)`, m.name, strings.Join(columns, `", "`), strings.Repeat(", ?", len(columns)-1)), values...)
		}
	}
}

// values are all rows of all tables, with the storage class of each value, but for the last activity of the sessions.
func (f *family) values(t *testing.T, app *sql.DB) (all []string) {
	t.Helper()
	for _, m := range f.tables {
		all = append(all, rowsOf(t, app, m.name)...)
	}
	return all
}

func rowsOf(t *testing.T, app *sql.DB, table string) []string {
	t.Helper()
	var columns []string
	for _, name := range lines(t, app, "SELECT name FROM pragma_table_xinfo(?) ORDER BY cid", table) {
		if name != "last_activity" {
			columns = append(columns, `+"`+name+`"`)
		}
	}
	rows, err := app.QueryContext(t.Context(), fmt.Sprintf(`SELECT %s FROM "%s"`, strings.Join(columns, ", "), table))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var of []string
	for rows.Next() {
		dest := make([]any, len(columns))
		for i := range dest {
			dest[i] = new(any)
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		row := table
		for i := range dest {
			value := *dest[i].(*any)
			if number, ok := value.(float64); ok {
				value = math.Float64bits(number)
				row += " real"
			}
			row += fmt.Sprintf(" %s=%T:%q", columns[i], value, fmt.Sprint(value))
		}
		of = append(of, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(of)
	return of
}
