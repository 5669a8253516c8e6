package sqlite

import (
	"context"
	"database/sql"
)

// preparing calls do with a connection that prepares each statement once. A write of the sessions takes longer to prepare, with
// the triggers that it fires and the indexes that it changes, than to run.
func (c *conn) preparing(do func() error) error {
	db := c.database
	p := prepared{database: db, statements: map[string]*sql.Stmt{}}
	c.database = p
	defer func() {
		c.database = db
		for _, s := range p.statements {
			_ = s.Close()
		}
	}()
	return do()
}

// prepared is a database with the statements that it has prepared, by their texts.
type prepared struct {
	database
	statements map[string]*sql.Stmt
}

func (p prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := p.statements[query]; s != nil {
		return s, nil
	}
	s, err := p.PrepareContext(ctx, query)
	if err == nil {
		p.statements[query] = s
	}
	return s, err
}

func (p prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // preparing closes it
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (p prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // preparing closes it
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.statement(ctx, query) //nolint:sqlclosecheck // preparing closes it
	if err != nil {
		return p.database.QueryRowContext(ctx, query, args...) // it has the error
	}
	return s.QueryRowContext(ctx, args...)
}
