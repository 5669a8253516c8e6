package mysql

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// layout is the adopted schema as SQL: how statements find the sessions.
type layout struct {
	settings
	names sqlfile.Names
	// seenRules and tableRules are the rules of the lifecycle, on sessions as they are seen and as their table has them.
	seenRules, tableRules sqlfile.Names
	measure               *measure // of a question with rules by tag
}

// newLayout builds the expressions and fragments that fill in statements. In them, t is the table of sessions.
func newLayout(set settings) *layout { return layoutReading(set, known) }

// layoutReading is newLayout with a given expression for reading a column of times.
func layoutReading(set settings, known func(name string) string) *layout {
	l := &layout{settings: set}
	s, a := set.schema, set.adopted
	n := sqlfile.Names{
		"sessions": sqlfile.Column(s.Table), "id_column": sqlfile.Column(s.ID), "active_column": sqlfile.Column(s.Active),
		"last_activity_column": sqlfile.Column(s.LastActivity), "expires_at_column": sqlfile.Column(s.ExpiresAt),
		"auto_cleanup_column": sqlfile.Column(s.AutoCleanup), "deactivated_at_column": sqlfile.Column(s.DeactivatedAt),
		"id": column(s.ID), "id_text": a.ID.text(column(s.ID)), "id_order": a.ID.order("t.id"),
		"owner": "NULL", "owner_text": "''", "name_text": text(s.Name), "code_text": text(s.Code),
		"created_at": noTime, "updated_at": noTime, "last_activity": known(s.LastActivity),
		"expires_at": known(s.ExpiresAt), "deactivated_at": known(s.DeactivatedAt),
		"auto_cleanup": "COALESCE(" + column(s.AutoCleanup) + " <> 0, FALSE)",
		"untracked":    truth(set.untracked()), "revives": "FALSE",
		"since_column": sqlfile.Column(sinceColumn), "class_column": sqlfile.Column(classColumn), "members": "", "members_on": "", "table_id_order": a.ID.order(column(s.ID)),
		"keep": "", "place_column": "NULL", "note_text": a.ID.text("session"), "tagged_text": a.ID.text("t.session"), "prefilter": "TRUE", "notes_where": "", "owner_name": "''", "condition": "TRUE",
		"measured": "", "at_once": "", "moved": "sessioncleanup_touches", "and_not_retagged": "", "profiled_tags": "NULL",
	}
	if s.CreatedAt != "" {
		n["created_at"] = known(s.CreatedAt)
	}
	if s.UpdatedAt != "" {
		n["updated_at"] = known(s.UpdatedAt)
	}
	if s.Owner != "" {
		n["owner"], n["owner_text"] = column(s.Owner), "COALESCE("+a.Owner.text(column(s.Owner))+", '')"
	}
	if s.Owners != nil {
		n["owner_name"] = filled("owner_name", sqlfile.Names{
			"owners": sqlfile.Column(s.Owners.Table), "owners_id": sqlfile.Column(s.Owners.ID), "owners_name": sqlfile.Column(s.Owners.Name),
		})
	}
	n["born"], n["tags_of"] = filled("born", n), statements["tags_of"]
	n["activity_count"] = activityCount(s.Sources)
	for _, name := range a.Updating { // columns with ON UPDATE CURRENT_TIMESTAMP stay as they are
		n["keep"] += ", " + column(name) + " = " + column(name)
	}
	n["active"], n["visible"] = l.active(column), l.visible(column)
	n["by_run"] = filled("by_run", n)
	n["active_on"], n["active_off"] = "TRUE", "FALSE"
	if s.State != nil {
		n["active_on"], n["active_off"] = value(s.State.Reactivated), value(s.State.Deactivated)
	}
	n["id_index"] = sqlfile.Column(a.IDIndex)
	n["listed_type"], n["listed_id"] = a.ID.listed(a.KeyType)
	n["chosen"] = filled("chosen", n)
	n["remove"] = filled("remove", n)
	if s.SoftDelete {
		n["remove"] = filled("mark_deleted", with(n, sqlfile.Names{"deleted_at_column": sqlfile.Column(s.DeletedAt)}))
	}
	if set.policy.ReactivateOnActivity.Or(false) {
		n["revives"] = filled("revives", n)
	}
	n["unmoved"] = filled("unmoved", n)
	l.names = with(n, plainCutoffs)
	l.seenRules, l.tableRules = l.rules(asSeen), l.rules(l.inTable())
	return l
}

// sql fills in a statement with the layout's names and further ones.
func (l *layout) sql(name string, more sqlfile.Names) string {
	return filled(name, with(l.names, more))
}

func with(names, more sqlfile.Names) sqlfile.Names {
	all := maps.Clone(names)
	maps.Copy(all, more)
	return all
}

// seen selects the sessions with their notes applied, as a table t. Parts replace names of that statement: prefilter is a condition
// on the table's own columns that an index can serve, place_column the column to read by, and notes_where selects the notes.
func (l *layout) seen(parts sqlfile.Names) string {
	return l.sql("seen", with(sqlfile.Names{"base": l.sql("base", parts)}, parts))
}

// seenOf selects the sessions whose ids are in a parameter, with a place of theirs; NULL for none.
func (l *layout) seenOf(ids, place string) string {
	return l.seen(sqlfile.Names{
		"prefilter": l.names["id"] + " IN (" + ids + ")", "place_column": place, "notes_where": "WHERE session IN (" + ids + ")",
	})
}

func column(name string) string { return "t." + sqlfile.Column(name) }

// text returns the expression that reads a name, cut to the length that a Session keeps.
func text(name string) string {
	if name == "" {
		return "''"
	}
	return fmt.Sprintf("COALESCE(LEFT(CONVERT(%s USING utf8mb4), %d), '')", column(name), sessioncleanup.MaxName)
}

// noTime is the expression for a time column that the application does not have.
const noTime = "CAST(NULL AS DATETIME)"

// known returns an expression that is NULL for the zero date, which means that there is no time.
func known(name string) string { return "NULLIF(" + column(name) + ", '0000-00-00 00:00:00')" }

// noExpiry is what is written for a session that does not expire.
func (l *layout) noExpiry() any {
	if l.adopted.ExpiryRequired {
		return "0000-00-00 00:00:00"
	}
	return nil
}

func truth(holds bool) string {
	if holds {
		return "TRUE"
	}
	return "FALSE"
}

// active returns the expression for whether a row is active. NULL means active.
func (l *layout) active(column func(string) string) string {
	if l.schema.State == nil {
		return "COALESCE(" + column(l.schema.Active) + " <> 0, TRUE)"
	}
	return "COALESCE(" + among(column(l.schema.Active), l.schema.State.Active) + ", TRUE)"
}

// visible returns the condition for a row to be a session.
func (l *layout) visible(column func(string) string) string {
	conditions := []string{"TRUE"}
	if l.schema.DeletedAt != "" {
		conditions = append(conditions, "COALESCE("+column(l.schema.DeletedAt)+", '0000-00-00 00:00:00') = '0000-00-00 00:00:00'")
	}
	for _, only := range l.schema.Only {
		conditions = append(conditions, isOneOf(only, column))
	}
	return "(" + strings.Join(conditions, " AND ") + ")"
}

// isOneOf returns the condition of one Schema.Only.
func isOneOf(only sessioncleanup.Only, column func(string) string) string {
	return "COALESCE(" + among(column(only.Column), only.Values) + ", FALSE)"
}

func among(expression string, values []string) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = value(v)
	}
	return expression + " IN (" + strings.Join(all, ", ") + ")"
}

var wholeNumber = regexp.MustCompile(`^(?:0|-?[1-9][0-9]{0,17})$`)

// value is a value of a State or an Only as SQL, whatever is in it.
func value(text string) string {
	switch strings.ToLower(text) {
	case "true":
		return "TRUE"
	case "false":
		return "FALSE"
	}
	if wholeNumber.MatchString(text) {
		return text
	}
	return "CONVERT(X'" + hex.EncodeToString([]byte(text)) + "' USING utf8mb4)"
}

// activityCount is the number of a session's rows in activity tables.
func activityCount(sources []sessioncleanup.Source) string {
	counts := []string{"0"}
	for _, source := range sources {
		counts = append(counts, filled("activity_count", sqlfile.Names{
			"source": sqlfile.Column(source.Table), "source_session": sqlfile.Column(source.Session),
		}))
	}
	return strings.Join(counts, " + ")
}

// currentLayout returns the layout of the database as it is now.
func (s *Store) currentLayout(ctx context.Context, c *conn) (*layout, error) {
	stored, err := readStored(ctx, c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout != nil && s.layout.stored == stored {
		return s.layout, nil
	}
	set, err := stored.parse()
	if err != nil {
		return nil, err
	}
	if err := s.fits(set); err != nil {
		return nil, err
	}
	s.layout = newLayout(set)
	return s.layout, nil
}
