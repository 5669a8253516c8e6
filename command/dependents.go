package command

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup"
)

// dependentsText lists the tables that a deletion reaches, with the number of rows where they were counted; empty without any.
func (a *app) dependentsText(title string, dependents []sessioncleanup.Dependent) string {
	if len(dependents) == 0 {
		return ""
	}
	return title + ":\n" + a.table(dependentRows(dependents, true))
}

// dependentRows are a row for each table; counted adds the number of its rows.
func dependentRows(dependents []sessioncleanup.Dependent, counted bool) [][]cell {
	rows := make([][]cell, len(dependents))
	for i, d := range dependents {
		rows[i] = texts(d.Table, d.Effect)
		if counted {
			rows[i] = append(rows[i], cell{text: rowsText(d), right: true})
		}
	}
	return rows
}

func rowsText(d sessioncleanup.Dependent) string {
	if d.More && d.Rows == 0 {
		return "not counted"
	} else if d.More {
		return "more than " + counted(d.Rows, "row", "rows")
	}
	return counted(d.Rows, "row", "rows")
}

// reachable are the tables that deletions from a store reach, not counted; none where the store cannot tell.
func reachable(ctx context.Context, db sessioncleanup.Store) ([]sessioncleanup.Dependent, error) {
	lister, ok := sessioncleanup.StoreAs[sessioncleanup.DependentLister](db)
	if !ok {
		return nil, nil
	}
	return lister.Dependents(ctx, nil)
}
