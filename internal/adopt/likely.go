package adopt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// likely describes the tables that may hold sessions although nothing is called so, the most likely first: their rows belong
// to somebody, have a time, and other tables refer to them. They are not chosen: users' posts look like that, too.
func (d Database) likely(all []*Table) (words []string) {
	type candidate struct {
		words    string
		children int
	}
	var found []candidate
	for _, t := range all {
		if isPeople(t) || t.Hidden {
			continue
		}
		p, err := d.Propose(sessioncleanup.Schema{Table: t.path()})
		if err != nil || p.Schema.Owner == "" || len(p.Schema.Sources) == 0 {
			continue
		}
		var times, activity []string
		for _, name := range []string{p.Schema.CreatedAt, p.Schema.UpdatedAt, p.Schema.LastActivity, p.Schema.ExpiresAt} {
			if name != "" && d.column(t, name) != nil {
				times = append(times, name)
			}
		}
		for _, source := range p.Schema.Sources {
			activity = append(activity, source.Table)
		}
		if len(times) > 0 {
			found = append(found, candidate{fmt.Sprintf("%s (owner %s, activity in %s, times in %s)",
				t.path(), p.Schema.Owner, strings.Join(activity, " and "), strings.Join(times, " and ")), len(activity)})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.children, a.children) })
	for _, c := range found[:min(len(found), maxLikely)] {
		words = append(words, c.words)
	}
	return words
}

// maxLikely is how many tables a message names.
const maxLikely = 5

// undecided is the error for a database in which nothing is called like sessions, and tables that may hold them are.
func undecided(words []string) error {
	return invalid.Errorf("no table is called like sessions; they may be in %s: say which with the schema's table, or --table; with the table %q, which does not exist, Migrate makes a new one",
		strings.Join(words, ", "), sessioncleanup.OwnSchema().Table)
}
