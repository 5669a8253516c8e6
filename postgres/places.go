package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// place is where a table of the schema was when it was adopted, to find it again after the application renamed it or its
// columns. In a copy of the database the numbers are others, but there the names hold.
type place struct {
	OID     uint32         `json:"oid"`
	Columns map[string]int `json:"columns"` // their numbers by name
}

type places struct {
	Table   place   `json:"table"`
	Owners  *place  `json:"owners,omitempty"`
	Sources []place `json:"sources,omitempty"`
	// Proposed says that Inspect proposed the schema, so that Migrate follows activity tables that are made later, too.
	Proposed bool `json:"proposed,omitempty"`
	// Self is the number of the settings themselves: the numbers of Objects hold where it does.
	Self    uint32    `json:"self,omitempty"`
	Objects []located `json:"objects,omitempty"`
	// Functions are the library's functions as Migrate last made them: see settings_functions.
	Functions string `json:"functions,omitempty"`
	// Tags are the columns of which there may be tags, and whether these are Schema.TagColumns and all of them are right.
	Tags map[string]bool `json:"tags,omitempty"`
}

func (r relation) place() place {
	p := place{OID: r.oid, Columns: map[string]int{}}
	for _, c := range r.columns {
		p.Columns[c.name] = c.position
	}
	return p
}

// places is the JSON for the settings.
func (p *plan) places() string {
	m := p.m
	all := places{Table: m.table.place(), Proposed: m.proposed, Self: p.self, Objects: p.located, Functions: p.set.places.Functions, Tags: p.tagged}
	if m.owners != nil {
		owners := m.owners.place()
		all.Owners = &owners
	}
	for _, src := range m.sources {
		all.Sources = append(all.Sources, src.place())
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return string(data)
}

// follow returns an adopted schema with the names that its tables and columns have now. An activity table that is gone is
// left out; a column that is gone keeps its name.
func follow(ctx context.Context, q *guarded, schema sessioncleanup.Schema, at places) (sessioncleanup.Schema, error) {
	schema = schema.WithDefaults()
	columns := []*string{
		&schema.ID, &schema.Owner, &schema.Name, &schema.Code, &schema.CreatedAt, &schema.UpdatedAt,
		&schema.Active, &schema.LastActivity, &schema.ExpiresAt, &schema.AutoCleanup, &schema.DeactivatedAt, &schema.DeletedAt,
	}
	schema.Only = slices.Clone(schema.Only)
	for i := range schema.Only {
		columns = append(columns, &schema.Only[i].Column)
	}
	if _, err := at.Table.follow(ctx, q, &schema.Table, columns...); err != nil {
		return schema, err
	}
	if schema.Owners != nil && at.Owners != nil {
		owners := *schema.Owners
		there, err := at.Owners.follow(ctx, q, &owners.Table, &owners.ID, &owners.Name, &owners.Mail, &owners.Language, &owners.Zone)
		if err != nil {
			return schema, err
		}
		schema.Owners = &owners
		if !there {
			schema.Owners = nil
		}
	}
	sources := schema.Sources
	schema.Sources = nil
	for i, src := range sources {
		if i < len(at.Sources) {
			there, err := at.Sources[i].follow(ctx, q, &src.Table, &src.Session, &src.At)
			if err != nil {
				return schema, err
			}
			if !there {
				continue
			}
		}
		schema.Sources = append(schema.Sources, src)
	}
	return schema, nil
}

// unfollowed are the tables that Inspect would make activity tables and that an adopted schema, which Inspect proposed, does
// not have: the application made them later.
func unfollowed(ctx context.Context, q *guarded, schema sessioncleanup.Schema, at places) ([]sessioncleanup.Source, error) {
	if !at.Proposed {
		return nil, nil
	}
	database, err := describe(ctx, q)
	if err != nil {
		return nil, err
	}
	return database.Unfollowed(schema), nil
}

// follow changes the names of a table and of its columns to those of today, and reports whether the table exists.
func (p place) follow(ctx context.Context, q *guarded, table *string, columns ...*string) (bool, error) {
	r, err := findRelation(ctx, q, *table)
	if errors.Is(err, errNoRelation) {
		var space, name string
		err = q.QueryRow(ctx, `
			SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			 WHERE c.oid = $1::oid AND c.relkind IN ('r', 'p')`, p.OID).Scan(&space, &name)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		if err == nil {
			*table = sqlfile.Qualified(space, name)
			r, err = findRelation(ctx, q, *table)
		}
	}
	if err != nil {
		return false, mapError("look up "+*table, err)
	}
	byNumber := map[int]string{}
	for _, c := range r.columns {
		byNumber[c.position] = c.name
	}
	for _, column := range columns {
		if _, there := r.columns[*column]; *column == "" || there || r.oid != p.OID {
			continue
		}
		if name, ok := byNumber[p.Columns[*column]]; ok {
			*column = name
		}
	}
	return true, nil
}
