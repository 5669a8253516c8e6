package mysql_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/archivetest"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

var seeds = flag.Uint64("seeds", 4, "how many random schemas are tried")

// archivedTypes are types of columns, each with values, as the application writes them, that lose something in a careless
// conversion.
var archivedTypes = map[string][]string{
	"TINYINT":                    {"-128", "127"},
	"SMALLINT UNSIGNED ZEROFILL": {"7", "65535"},
	"BIGINT":                     {"-9223372036854775808", "9223372036854775807"},
	"BIGINT UNSIGNED":            {"18446744073709551615", "0"},
	"DECIMAL(65, 30)":            {"12345678901234567890123456789012345.012345678901234567890123456789", "-0.000000000000000000000000000001"},
	"DECIMAL(10, 2) ZEROFILL":    {"1.5"},
	"FLOAT":                      {"0.1", "3.4028234e38", "1.17549435e-38", "16777217"},
	"DOUBLE":                     {"0.1", "1.7976931348623157e308", "4.9e-324", "0.30000000000000004", "'-0'"},
	"DOUBLE(10, 2)":              {"1234567.89", "0.1"},
	"FLOAT(7, 3)":                {"1234.567"},
	"BIT(1)":                     {"b'1'", "b'0'"},
	"BIT(9)":                     {"b'100000001'"},
	"BIT(64)":                    {"X'FFFFFFFFFFFFFFFF'", "X'3500000000000035'"},
	"DATE":                       {"'2026-02-28'", "'0000-00-00'", "'2026-00-10'"},
	"DATETIME":                   {"'9999-12-31 23:59:59'", "'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'"},
	"DATETIME(6)":                {"'2026-03-29 02:30:00.123456'", "'0001-01-01 00:00:00.000001'"},
	"TIMESTAMP(6) NULL":          {"'2026-03-29 02:30:00.123456'", "'1970-01-02 00:00:01.000001'", "'0000-00-00 00:00:00'"},
	"TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP": {"'2026-03-29 02:30:00'", "'2000-01-01 00:00:00'"},
	"TIME(6)":                         {"'-838:59:59.999999'", "'24:00:00.5'"},
	"YEAR":                            {"1901", "2155", "0", "'0'"},
	"CHAR(8)":                         {"'ab'", "'  x'", "''"},
	"VARCHAR(9)":                      {"'a  '", "''", "'NULL'", `'\'"\\:x?'`},
	"BINARY(4)":                       {"X'00FF'", "'a'"},
	"VARBINARY(9)":                    {"X'00FF27225C'", "''"},
	"TEXT":                            {"'日本😀\n\t'", "CONCAT('a', CHAR(0), CHAR(31), 'b', CHAR(127))", "REPEAT('long \"', 5000)"},
	"LONGTEXT COLLATE utf8mb4_bin":    {"'{\"a\": :b ?}'"},
	"BLOB":                            {"X'00010203FFFE3F27'", "REPEAT(X'FF', 3000)", "''"},
	"ENUM('sad', 'very happy', '')":   {"'very happy'", "''"},
	"ENUM('a', 'b')":                  {"'b'", "'none of these'"},
	"SET('a', 'b', 'c d')":            {"'a,c d'", "''"},
	"JSON":                            {"'{\"a\": [1.50, \"\\\\u00e9\", null]}'", "'null'", "' 12 '"},
	"UUID":                            {"'00000000-0000-0000-0000-0000000000ff'"},
	"INET6":                           {"'::1'", "'ffff::'"},
	"GEOMETRY":                        {"ST_GeomFromText('POINT(0.1 1e-7)', 4326)", "ST_GeomFromText('LINESTRING(0 0, 1 1)')"},
	"VARCHAR(9) CHARACTER SET latin1": {"'é€'", "_latin1 X'81FF'"},
	"VARCHAR(9) CHARACTER SET latin2": {"'ł'", "''"},
	"TEXT CHARACTER SET ucs2":         {"'日本'", "_ucs2 X'D83DDE00'", "_ucs2 X'D83D'"},
	"VARCHAR(9) CHARACTER SET sjis":   {"'日本'", "_sjis X'815C'", "_sjis X'5C7E'"},
	"VARCHAR(9) CHARACTER SET cp932":  {"_cp932 X'8790'", "_cp932 X'FA54'", "_cp932 X'81CA'"},
	"VARCHAR(9) CHARACTER SET gbk":    {"_gbk X'A1A4'", "'中'"},
	"TEXT CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci": {"'日本é'"},
	"VARCHAR(9) CHARACTER SET binary":                       {"X'FF00'"},
	"INT INVISIBLE DEFAULT 5":                               {"6"},
}

// TestArchiveAndRestoreOnRandomSchemasChangeNothing deletes sessions of random tables, with rows of random tables that
// belong to them, into the archive, by runs and one by one, and restores them, from the archive or from a backup: then
// every value of every table is what it was.
func TestArchiveAndRestoreOnRandomSchemasChangeNothing(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for n := range *seeds {
		seed := n + 1
		if n == *seeds-1 && n > 2 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			f := randomFamily(rand.New(rand.NewPCG(seed, 19)))
			defer func() {
				if t.Failed() {
					t.Logf("the application's tables:\n%s", f.ddl.String())
				}
			}()
			store, d, manager := archivingOn(t, sessioncleanup.Policy{MaxDeleteFraction: 1}, "SET NAMES utf8mb4; SET sql_mode = ''; "+f.ddl.String()+f.dml.String())
			makeDue(t, d, "tenant = 7 AND turn % 3 = 0")
			archivetest.Family{
				Store: store, Manager: manager, Random: f.random, Sessions: f.ids, FromBackup: seed%2 == 0,
				Values: func() any { return f.values(t, d) }, Count: func(query string) int { return value[int](t, d, query) },
			}.ThereAndBack(t)
		})
	}
}

const familySize = 12 // rows in each table

// family is a random table of sessions with tables that depend on it.
type family struct {
	random   *rand.Rand
	ddl, dml strings.Builder
	tables   []member
	ids      []string // of the sessions
}

type member struct {
	name string
	id   string // its type
	base uint64 // what ids begin after
	leaf bool   // without a key
}

type memberKey struct {
	columns []string
	parent  int
	tenant  bool
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func randomFamily(r *rand.Rand) *family {
	f := &family{random: r}
	types := slices.Sorted(maps.Keys(archivedTypes))
	for n := range 3 + r.IntN(4) {
		m := member{name: fmt.Sprintf("`child %d`", n), id: pick(r, "INT", "BIGINT", "BIGINT UNSIGNED")}
		if m.id == "BIGINT UNSIGNED" {
			m.base = 18446744073709551000
		}
		key := pick(r, "PRIMARY KEY (id)", "PRIMARY KEY (tenant, id)", "UNIQUE (id)", "PRIMARY KEY (id)")
		switch {
		case n == 0:
			m.name, key = "sessions", "PRIMARY KEY (id)"
		case n > 1 && r.IntN(3) == 0:
			m.leaf, key = true, "KEY (tenant)"
		}
		parts := []string{
			"id " + m.id + " NOT NULL" + pick(r, "", " AUTO_INCREMENT"), "tenant INT NOT NULL DEFAULT 7", "turn INT", "updated_at DATETIME", "twice INT AS (2 * tenant) " + pick(r, "STORED", "VIRTUAL"), key,
		}
		if !m.leaf {
			parts = append(parts, "UNIQUE key_of_id (id)", "UNIQUE (id, tenant)")
		} else {
			parts[0] = "id " + m.id + " NOT NULL"
		}
		columns, kinds := []string{"id", "turn"}, []string{}
		for i := range 2 + r.IntN(8) {
			kinds = append(kinds, pick(r, types...))
			columns = append(columns, fmt.Sprintf("`value \"%d\"`", i))
			parts = append(parts, columns[len(columns)-1]+" "+kinds[i])
		}
		var refs []memberKey
		keys := r.IntN(2)
		if n > 0 {
			keys = 1 + r.IntN(2)
		}
		for i := range keys {
			ref := memberKey{columns: []string{fmt.Sprint("ref", i)}, parent: r.IntN(n + 1), tenant: r.IntN(2) == 0}
			if n > 0 && i == 0 {
				ref.parent = r.IntN(n) // it leads to the sessions
			}
			if ref.parent == n && m.leaf || ref.parent < n && f.tables[ref.parent].leaf {
				ref.parent = 0
			}
			parent, to := m, "(id)"
			if ref.parent < n {
				parent = f.tables[ref.parent]
			}
			parts = append(parts, ref.columns[0]+" "+parent.id)
			if ref.tenant {
				ref.columns, to = append(ref.columns, fmt.Sprint("ref_tenant", i)), "(id, tenant)"
				parts = append(parts, ref.columns[1]+" INT")
			}
			parts = append(parts, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s %s ON DELETE %s", strings.Join(ref.columns, ", "), parent.name, to, pick(r, "CASCADE", "CASCADE", "SET NULL")))
			refs = append(refs, ref)
		}
		fmt.Fprintf(&f.ddl, "CREATE TABLE %s (%s) CHARACTER SET utf8mb4 COLLATE %s;\n", m.name, strings.Join(parts, ", "), pick(r, "utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_unicode_ci"))
		f.tables = append(f.tables, m)
		for turn := 1; turn <= familySize; turn++ {
			id := fmt.Sprint(m.base + uint64(turn))
			if n == 0 {
				f.ids = append(f.ids, id)
			}
			all, values := slices.Clone(columns), []string{id, fmt.Sprint(turn)}
			for _, kind := range kinds {
				v := "NULL"
				if r.IntN(5) > 0 {
					v = pick(r, archivedTypes[kind]...)
				}
				values = append(values, v)
			}
			for _, ref := range refs {
				most := familySize
				if ref.parent == n {
					most = turn - 1
				}
				if most == 0 || r.IntN(4) == 0 {
					continue
				}
				all, values = append(all, ref.columns...), append(values, fmt.Sprint(f.tables[ref.parent].base+uint64(1+r.IntN(most))))
				if ref.tenant {
					values = append(values, "7")
				}
			}
			fmt.Fprintf(&f.dml, "INSERT INTO %s (%s) VALUES (%s);\n", m.name, strings.Join(all, ", "), strings.Join(values, ", "))
		}
	}
	if child := f.tables[1]; r.IntN(2) == 0 && !child.leaf { // sessions and another table refer to each other
		fmt.Fprintf(&f.ddl, "ALTER TABLE sessions ADD best %s, ADD FOREIGN KEY (best) REFERENCES %s (id) ON DELETE %s;\n", child.id, child.name, pick(r, "SET NULL", "CASCADE"))
		fmt.Fprintf(&f.dml, "UPDATE sessions SET best = %d + 1 + turn * 7 %% %d WHERE turn %% 2 = 0;\n", child.base, familySize)
	}
	return f
}

// values are all rows of all tables, but for the last activity of the sessions and columns of the library's own.
func (f *family) values(t *testing.T, d mysqltest.Database) (all []string) {
	t.Helper()
	for _, m := range f.tables {
		name := strings.Trim(m.name, "`")
		columns, err := mysqltest.Texts(t.Context(), d.DB, `SELECT CONCAT('COALESCE(', CASE
				WHEN data_type IN ('float', 'double') THEN CONCAT('CAST(`+"`', column_name, '`"+` AS DOUBLE)')
				WHEN character_set_name IS NOT NULL OR data_type LIKE '%binary' OR data_type LIKE '%blob' OR data_type IN ('bit', 'geometry') THEN CONCAT('HEX(`+"`', column_name, '`"+`)')
				ELSE CONCAT('CAST(`+"`', column_name, '`"+` AS CHAR)') END, ', ''NULL'')')
			FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '`+name+`' AND column_name <> 'last_activity' AND column_name NOT LIKE 'sessioncleanup%' ORDER BY ordinal_position`, 0)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := mysqltest.Texts(context.WithoutCancel(t.Context()), d.DB, fmt.Sprintf("SELECT CONCAT_WS(' ', '%s', %s) AS r FROM %s ORDER BY r", name, strings.Join(columns, ", "), m.name), 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	return all
}
