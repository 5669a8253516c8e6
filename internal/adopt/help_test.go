package adopt_test

import (
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
)

var kinds = map[string]adopt.Kind{
	"text": adopt.Text, "number": adopt.Number, "uuid": adopt.ID, "time": adopt.Time, "date": adopt.Date,
	"boolean": adopt.Boolean, "any": adopt.Any, "json": 0, "numeric": 0,
}

// table makes a table of lines such as "id number key", "code text unique" and "host_id number users.id", whose last word
// is the column that a foreign key refers to, or a table for its primary key. Two columns joined by "+" in "a+b t.c+d"
// make a foreign key of two columns.
func table(path string, lines ...string) adopt.Table {
	t := adopt.Table{Name: path}
	if space, name, qualified := strings.Cut(path, "."); qualified {
		t.Space, t.Name, t.Hidden = space, name, true
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if strings.Contains(words[0], "+") {
			t.ForeignKeys = append(t.ForeignKeys, foreignKey(t.Space, words[0], words[1]))
			continue
		}
		c := adopt.Column{Name: words[0], Type: words[1], Kind: kinds[words[1]]}
		for _, word := range words[2:] {
			switch word {
			case "key":
				t.PrimaryKey = append(t.PrimaryKey, c.Name)
			case "unique":
				c.Unique = true
			default:
				t.ForeignKeys = append(t.ForeignKeys, foreignKey(t.Space, c.Name, word))
			}
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

func foreignKey(space, columns, target string) adopt.ForeignKey {
	k := adopt.ForeignKey{Columns: strings.Split(columns, "+"), Space: space}
	to, column, named := strings.Cut(target, ".")
	k.Table = to
	if named {
		k.To = strings.Split(column, "+")
	}
	return k
}

func partitioned(t adopt.Table) adopt.Table {
	t.Partitioned = true
	return t
}

func other(what string, t adopt.Table) adopt.Table {
	t.Other = what
	return t
}

func database(tables ...adopt.Table) adopt.Database { return adopt.Database{Tables: tables} }
