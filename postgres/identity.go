package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
)

// located is an object with its numbers in the catalog, by which it is found after the application renamed or moved its
// table. That is for objects that bear no mark: columns that lost theirs, defaults and grants.
type located struct {
	object
	OID    uint32 `json:"oid"`              // of its table or, without one, of its database schema
	Column int    `json:"column,omitempty"` // of a column or a default
	Role   uint32 `json:"role,omitempty"`   // of a grant
}

// locate returns those of the objects that exist, with their numbers, and the number of the library's settings, which tells
// whether the numbers hold: in a copy of the database they do not.
func locate(ctx context.Context, q *guarded, m *mapping, objects []object) (self uint32, found []located, err error) {
	if err := q.QueryRow(ctx, "SELECT coalesce(to_regclass($1::text)::oid, 0)", m.own("settings")).Scan(&self); err != nil {
		return 0, nil, mapError("look up the settings", err)
	}
	data, err := json.Marshal(append([]object{}, objects...))
	if err != nil {
		return 0, nil, err
	}
	found, err = allRows(ctx, q, "look up what was added", func(row pgx.CollectableRow) (o located, err error) {
		err = row.Scan(&o.Kind, &o.Space, &o.Table, &o.Name, &o.OID, &o.Column, &o.Role)
		return o, err
	}, statements["locate"], string(data))
	return self, found, err
}

// renamed returns what was added under the names that it has now, and the objects whose names changed: as they were and as
// they are.
func (set settings) renamed(ctx context.Context, q *guarded) (all, was, is []object, err error) {
	data, err := json.Marshal(append([]located{}, set.places.Objects...))
	if err != nil {
		return nil, nil, nil, err
	}
	found, err := allRows(ctx, q, "look up what was added", func(row pgx.CollectableRow) (pair [2]object, err error) {
		a, b := &pair[0], &pair[1]
		err = row.Scan(&a.Kind, &a.Space, &a.Table, &a.Name, &b.Space, &b.Table, &b.Name)
		b.Kind = a.Kind
		return pair, err
	}, statements["relocate"], string(data), set.places.Self)
	if err != nil {
		return nil, nil, nil, err
	}
	now := map[object]object{}
	for _, pair := range found {
		now[pair[0]] = pair[1]
	}
	for _, o := range set.added {
		if today, ok := now[o]; ok && today != o {
			was, is = append(was, o), append(is, today)
			o = today
		}
		all = append(all, o)
	}
	return all, was, is, nil
}
