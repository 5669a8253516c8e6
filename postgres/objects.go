package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// object is something that Migrate added, for Uninstall to remove. Its names are not quoted.
type object struct {
	Kind  string `json:"kind"`            // table, column, default, index, trigger, function, view, grant
	Space string `json:"space"`           // the database schema
	Table string `json:"table,omitempty"` // for what belongs to a table
	Name  string `json:"name"`
}

// path is the object itself in SQL, and on the table that it belongs to.
func (o object) path() string { return relation{space: o.Space, name: o.Name}.sql() }
func (o object) on() string   { return relation{space: o.Space, name: o.Table}.sql() }

// words name the object for people.
func (o object) words() string {
	name := o.Kind + " " + o.Name
	if o.Table != "" {
		name += " on " + o.Space + "." + o.Table
	}
	return name
}

// literalOf is an array of objects in JSON, as SQL.
func literalOf(objects ...object) string {
	data, err := json.Marshal(objects)
	if err != nil {
		panic(err) // strings only
	}
	return literal(string(data))
}

// ownMark begins the comment of what Migrate makes. So it is told from what the application made under the same name,
// and found after the application renamed it, or restored its database without the settings.
const ownMark = "sessioncleanup"

// markOf is the comment of an object that depends on its text: it is made again when the text changes.
func markOf(sql string) string {
	sum := sha256.Sum256([]byte(sql))
	return ownMark + " " + hex.EncodeToString(sum[:8])
}

// markFunctions marks functions that have just been created, and lets only roles execute them that are granted it later:
// what default privileges gave to others is revoked. There is no other with their names: see takeOver.
func markFunctions(space string, names ...string) string {
	fresh := "obj_description(f.oid, 'pg_proc') IS NULL"
	return eachFunction(space, names, fresh, "REVOKE ALL ON FUNCTION %s FROM %s") + "\n" +
		eachFunction(space, names, fresh, "COMMENT ON FUNCTION %s IS "+literal(ownMark))
}

// revokeExecute lets only roles that were granted it execute functions. A restored database may have lost that.
func revokeExecute(space string, names ...string) string {
	return eachFunction(space, names, marked("f.oid", "pg_proc"), "REVOKE ALL ON FUNCTION %s FROM PUBLIC")
}

// dropFunctions drops functions, whatever their arguments, and leaves alone those that the application made.
func dropFunctions(space string, names ...string) string {
	return eachFunction(space, names, marked("f.oid", "pg_proc"), "DROP FUNCTION %s")
}

// dropFunctionsWithArguments drops functions but those of triggers.
func dropFunctionsWithArguments(space string, names ...string) string {
	return eachFunction(space, names, marked("f.oid", "pg_proc")+" AND f.pronargs > 0", "DROP FUNCTION %s")
}

// marked is the condition that an object has the comment of one that Migrate made.
func marked(oid, catalog string) string {
	return fmt.Sprintf("coalesce(obj_description(%s, '%s') LIKE '%s%%', false)", oid, catalog, ownMark)
}

// eachFunction does something with each of the functions: %s is the function and, for a second %s, each role that
// was granted it.
func eachFunction(space string, names []string, condition, do string) string {
	roles := ""
	if strings.Count(do, "%s") == 2 {
		roles = "CROSS JOIN aclexplode(f.proacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee AND r.oid <> f.proowner"
		do = strings.Replace(do, "%s", "%1$s", 1)
		do = strings.Replace(do, "%s", "%2$s", 1)
	} else {
		do = strings.Replace(do, "%s", "%1$s", 1)
	}
	role := "NULL"
	if roles != "" {
		role = "quote_ident(r.rolname)"
	}
	var list []string
	for _, name := range names {
		list = append(list, literal(name))
	}
	body := fmt.Sprintf(`DECLARE v_function record; BEGIN
    FOR v_function IN SELECT format('%%I.%%I(%%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)) AS path, %s AS role
               FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace %s
              WHERE n.nspname = %s AND f.proname IN (%s) AND %s LOOP
        EXECUTE format(%s, v_function.path, v_function.role);
    END LOOP;
END`, role, roles, literal(space), strings.Join(list, ", "), condition, literal(do))
	return "DO " + literal(body) + ";"
}

// merged is what is recorded together with what the catalog shows.
func merged(recorded, found []object) []object {
	all := append([]object{}, recorded...)
	seen := map[object]bool{}
	for _, o := range recorded {
		seen[o] = true
	}
	for _, o := range found {
		if !seen[o] {
			all = append(all, o)
		}
	}
	return all
}

// findOwn looks in the catalog for what Migrate made, in the order in which it does: marked columns, functions, the view and
// indexes, and triggers by their functions.
func findOwn(ctx context.Context, q *guarded, space string) ([]object, error) {
	return allRows(ctx, q, "look for what was added", pgx.RowToStructByPos[object], statements["own_objects"], space)
}

// dropTrigger drops a trigger, also when its table is gone already.
func dropTrigger(o object) string {
	return fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s;", sqlfile.Column(o.Name), o.on())
}
