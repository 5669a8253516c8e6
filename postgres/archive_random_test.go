package postgres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// archivedTypes are types of columns, each with values that lose something in a careless conversion.
var archivedTypes = map[string][]string{
	"numeric":           {"0.1", "1e-300", "123456789012345678901234567890.123456789", "NaN", "-0.000"},
	"numeric(30, 10)":   {"12345678901234567890.0123456789"},
	"float8":            {"0.1", "1.7976931348623157e308", "5e-324", "-0", "NaN", "Infinity", "0.30000000000000004"},
	"float4":            {"0.1", "3.4028235e38", "1e-45"},
	"money":             {"-12.34"},
	"bytea":             {`\x00ff5c27`, `\x`},
	"text":              {"", "NULL", `quoted ' " \ $$ %s`, "日本\n\ttab", "{1,2}"},
	"char(8)":           {"ab", "  x"},
	"varchar(9)":        {"a  "},
	`"char"`:            {"x"},
	"name":              {"some name"},
	"text[]":            {`{}`, `{a,NULL,"b c","d\"e",""}`, `{{1,2},{3,4}}`, `[2:3]={a,b}`},
	"int[]":             {"{1,NULL,3}"},
	"jsonb":             {`null`, `"text"`, `{"a": [1.50, "\u00e9"]}`, `123`},
	"json":              {` {"b":1,  "a":2, "b":3} `, `null`},
	"timestamptz":       {"2026-03-29 02:30:00.123456+01", "infinity", "-infinity", "1850-01-01 00:00:00+00:09:21", "4713-01-01 00:00:00+00 BC"},
	"timestamp":         {"2026-03-29 02:30:00.000001", "infinity"},
	"date":              {"0044-03-15 BC", "infinity", "2026-02-28"},
	"time":              {"24:00:00"},
	"timetz":            {"12:00:00.5+05:30"},
	"interval":          {"1 mon -1 day +00:00:00.000001", "-1 year", "178000000 years"},
	"inet":              {"10.0.0.1/8", "::1"},
	"uuid":              {"00000000-0000-0000-0000-000000000001"},
	"varbit":            {"10101", ""},
	"int4range":         {"empty", "[1,10)", "(,5)"},
	"tstzrange":         {`["2026-01-01 00:00:00+00",infinity)`},
	"point":             {"(0.1,1e-7)"},
	"tsvector":          {"'a':1A 'b c':2"},
	"xml":               {"<a>x</a>", "text &amp; more"},
	"int2":              {"-32768"},
	"int8":              {"9223372036854775807"},
	"oid":               {"4294967295"},
	"boolean":           {"true", "false"},
	"public.mood":       {"sad", "very happy, \"really\""},
	"public.mood[]":     {`{sad,"very happy, \"really\""}`},
	"public.percent":    {"99.50"},
	"public.pair":       {`(1,"a ""b"", c")`, "(,)", `(,"")`},
	"public.pair[]":     {`{"(1,\"x,y\")",NULL}`},
	"public.loud":       {"x"},
	"int4multirange":    {"{[1,3),[5,7)}"},
	"regclass":          {"sessions"},
	"pg_lsn":            {"16/B374D848"},
	"macaddr":           {"08:00:2b:01:02:03"},
	"public.mood_range": {`[sad,"very happy, \"really\"")`},
}

// typesOfArchive are the types of the application. A cast that somebody made must not be used.
const typesOfArchive = `
	CREATE TYPE mood AS ENUM ('sad', 'very happy, "really"');
	CREATE TYPE mood_range AS RANGE (subtype = mood);
	CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
	CREATE TYPE pair AS (n int, t text);
	CREATE TYPE loud AS ENUM ('x', 'y');
	CREATE FUNCTION shout(loud) RETURNS text LANGUAGE sql AS 'SELECT ''y''';
	CREATE FUNCTION hear(text) RETURNS loud LANGUAGE plpgsql AS $$ BEGIN RETURN 'y'; END $$;
	CREATE CAST (loud AS text) WITH FUNCTION shout(loud);
	CREATE CAST (text AS loud) WITH FUNCTION hear(text);`

func TestArchiveAndRestoreOnRandomSchemasChangeNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for _, seed := range withRandom(1, 2, 3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			f := randomFamily(rand.New(rand.NewPCG(seed, 19)))
			url := pgtest.Empty(t)
			pool := connect(t, url)
			defer func() {
				if t.Failed() {
					t.Logf("the application's tables:\n%s", f.ddl.String())
				}
			}()
			if err := pgapps.Exec(t.Context(), url, typesOfArchive+f.ddl.String()+f.dml.String()); err != nil {
				t.Fatal(err)
			}
			policy := sessioncleanup.Policy{Archive: sessioncleanup.On, MaxDeleteFraction: 1}
			store := open(t, url, postgres.Config{})
			if err := store.Migrate(t.Context(), policy); err != nil {
				t.Fatal(err)
			}
			manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
			if err != nil {
				t.Fatal(err)
			}
			for round := range 3 { // to migrate takes longer
				if t.Failed() {
					break
				}
				f.archiveAndRestore(t, pool, store, manager, round, seed%2 == 1 && round == 0)
			}
		})
	}
}

// archiveAndRestore deletes random sessions, by a run and one by one, restores them, and requires that all is as before.
func (f *family) archiveAndRestore(t *testing.T, pool *pgxpool.Pool, store *postgres.Store, manager *sessioncleanup.Manager, round int, backup bool) {
	t.Helper()
	mustExec(t, pool, "UPDATE sessions SET active = false, last_activity = now() - interval '60 days', deactivated_at = now() - interval '60 days' WHERE id % 3 = $1::int", round)
	before := f.values(t, pool)
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{InactiveAfter: sessioncleanup.Never})
	if err != nil || len(result.Failures) > 0 {
		t.Fatalf("Cleanup: %v, %v", err, result.Failures)
	}
	for id := 1; id <= familySize; id++ {
		if f.random.IntN(3) == 0 {
			_, _ = manager.DeleteCascade(t.Context(), fmt.Sprint(id)) // it may be gone along with another
		}
	}
	all, err := manager.Archived(t.Context(), sessioncleanup.ArchiveOptions{Limit: 1000})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sessions are archived, %v; want some", len(all), err)
	}
	if left := value[int](t, pool, "SELECT count(*) FROM sessions"); left != familySize-len(all) {
		t.Errorf("%d of %d sessions are archived, and %d are in their table", len(all), familySize, left)
	}
	var ids []string
	for _, e := range all {
		ids = append(ids, e.SessionID)
	}
	f.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	restore := func(o sessioncleanup.RestoreOptions) (sessioncleanup.Restored, error) {
		return manager.Restore(t.Context(), ids, o)
	}
	if backup {
		from, file := backedUpAndPurged(t, store)
		restore = func(o sessioncleanup.RestoreOptions) (sessioncleanup.Restored, error) {
			return manager.RestoreBackup(t.Context(), from, file, sessioncleanup.BackupRestore{RestoreOptions: o})
		}
	}
	dry, err := restore(sessioncleanup.RestoreOptions{DryRun: true})
	if err != nil || len(dry.Obstacles) > 0 {
		t.Fatalf("round %d: a dry run of restoring: %v, %v", round, dry.Obstacles, err)
	}
	done, err := restore(sessioncleanup.RestoreOptions{})
	if err != nil || done.Rows != dry.Rows || done.Relinked != dry.Relinked {
		t.Fatalf("round %d: Restore: %v, %d rows and %d references; a dry run said %d and %d", round, err, done.Rows, done.Relinked, dry.Rows, dry.Relinked)
	}
	if diff := cmp.Diff(before, f.values(t, pool)); diff != "" {
		t.Errorf("round %d: after restoring (-before +after):\n%s", round, diff)
	}
	if left := value[int](t, pool, "SELECT (SELECT count(*) FROM sessioncleanup_archive) + (SELECT count(*) FROM sessioncleanup_archive_rows)"); left != 0 {
		t.Errorf("round %d: %d rows are left in the archive", round, left)
	}
}

const familySize = 12 // rows in each table

// family is a random table of sessions with tables that depend on it.
type family struct {
	random   *rand.Rand
	ddl, dml strings.Builder
	tables   []string
}

func randomFamily(r *rand.Rand) *family {
	f := &family{random: r}
	types := slices.Sorted(maps.Keys(archivedTypes))
	for n := range 3 + r.IntN(4) {
		name, key := fmt.Sprintf(`"child %d"`, n), pick(r, "PRIMARY KEY", "UNIQUE", "UNIQUE NOT NULL")
		options, identity := "", pick(r, "", " GENERATED ALWAYS AS IDENTITY", " GENERATED BY DEFAULT AS IDENTITY")
		parts := []string{}
		switch {
		case n == 0:
			name, key = "sessions", "PRIMARY KEY"
			parts = append(parts, "updated_at timestamptz")
		case identity == "" && r.IntN(3) == 0: // keys that refer to it need both columns
			key, options = "NOT NULL", " PARTITION BY HASH (id)"
		}
		parts = append(parts, "id bigint "+key+identity, "tenant int NOT NULL DEFAULT 7", "twice bigint GENERATED ALWAYS AS (2 * id) STORED", "UNIQUE (id, tenant)", "gone int")
		columns, kinds := []string{"id"}, []string{}
		for i := range 2 + r.IntN(6) {
			kind := pick(r, types...)
			kinds = append(kinds, kind)
			columns = append(columns, fmt.Sprintf(`"value %d"`, i))
			parts = append(parts, fmt.Sprintf(`"value %d" %s`, i, kind))
		}
		type reference struct {
			columns []string
			parent  int
		}
		var refs []reference
		keys := r.IntN(2)
		if n > 0 {
			keys = 1 + r.IntN(2)
		}
		for i := range keys {
			ref := reference{columns: []string{fmt.Sprint("ref", i)}, parent: r.IntN(n + 1)}
			if n > 0 && i == 0 {
				ref.parent = r.IntN(n) // it leads to the sessions
			}
			parent := name
			if ref.parent < n {
				parent = f.tables[ref.parent]
			}
			parts = append(parts, fmt.Sprintf("ref%d bigint", i))
			ref.columns, parts = append(ref.columns, fmt.Sprint("ref_tenant", i)), append(parts, fmt.Sprintf("ref_tenant%d int", i))
			parts = append(parts, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (id, tenant) ON DELETE %s%s", strings.Join(ref.columns, ", "), parent,
				pick(r, "CASCADE", "CASCADE", "SET NULL", "SET DEFAULT"), pick(r, "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")))
			refs = append(refs, ref)
		}
		fmt.Fprintf(&f.ddl, "CREATE TABLE %s (%s)%s;\nALTER TABLE %[1]s DROP COLUMN gone;\n", name, strings.Join(parts, ", "), options)
		if options != "" {
			fmt.Fprintf(&f.ddl, "CREATE TABLE \"part %d a\" PARTITION OF %s FOR VALUES WITH (MODULUS 2, REMAINDER 0);\nCREATE TABLE \"part %[1]d b\" PARTITION OF %[2]s FOR VALUES WITH (MODULUS 2, REMAINDER 1);\n", n, name)
		}
		f.tables = append(f.tables, name)
		for id := 1; id <= familySize; id++ {
			values := []string{fmt.Sprint(id)}
			for _, kind := range kinds {
				v := "NULL"
				if r.IntN(5) > 0 {
					v = "'" + strings.ReplaceAll(pick(r, archivedTypes[kind]...), "'", "''") + "'"
				}
				values = append(values, v)
			}
			all := append([]string{}, columns...)
			for _, ref := range refs {
				most := familySize
				if ref.parent == n {
					most = id - 1
				}
				if most == 0 || r.IntN(4) == 0 {
					continue
				}
				all, values = append(all, ref.columns...), append(values, fmt.Sprint(1+r.IntN(most)), "7")
			}
			fmt.Fprintf(&f.dml, "INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s);\n", name, strings.Join(all, ", "), strings.Join(values, ", "))
		}
	}
	if r.IntN(2) == 0 { // sessions and another table refer to each other
		fmt.Fprintf(&f.ddl, "ALTER TABLE sessions ADD best bigint, ADD best_tenant int, ADD FOREIGN KEY (best, best_tenant) REFERENCES %s (id, tenant) ON DELETE SET NULL;\n", f.tables[1])
		fmt.Fprintf(&f.dml, "UPDATE sessions SET best = 1 + id * 7 %% %d, best_tenant = 7 WHERE id %% 2 = 0;\n", familySize)
	}
	return f
}

// values are all rows of all tables, but for the last activity of the sessions.
func (f *family) values(t *testing.T, pool *pgxpool.Pool) (all []string) {
	t.Helper()
	for _, table := range f.tables {
		columns := value[string](t, pool, "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'last_activity'", table)
		rows := value[[]string](t, pool, fmt.Sprintf("SELECT array_agg(%s || ROW (%s)::text ORDER BY id) FROM %s", "'"+table+" '", columns, table))
		all = append(all, rows...)
	}
	return all
}
