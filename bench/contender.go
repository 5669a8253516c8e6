package main

import (
	"context"
	"slices"
	"time"
)

// The databases of contenders.
const (
	onPostgres = "PostgreSQL"
	onSQLite   = "SQLite"
	inMemory   = "memory"
)

// The names of contenders.
const (
	ours       = "sessioncleanup"
	byHandOnce = "UPDATE and DELETE"
	byHandLoop = "LIMIT 1000 loop"
	scsStore   = "scs"
	riverQueue = "river"
)

// contender is one way to clean up.
type contender struct {
	name     string
	database string
	// open gives a fresh database with size rows of which a part is due, as layout says. It goes with the scope.
	open func(s *scope, t *templates, size, due int) bed
}

// bed is a database that a contender is to clean up.
type bed interface {
	// clean does all that is due.
	clean(ctx context.Context) (cleaned, error)
	// use is one activity, on the n-th of those that are not due, counted in circles.
	use(ctx context.Context, n int) error
	// comeBack gives one activity on a session that is due; nil where there is no such thing.
	comeBack() func(ctx context.Context, n int) error
	// wal is how much log was written until now, and bytes how much tables and indexes take; 0 where it is not known.
	wal() int64
	bytes() int64
}

// cleaned is what a cleanup did.
type cleaned struct {
	asked    time.Time // when it could have begun
	from, to time.Time // from its first statement to its last
	rows     int
	longest  time.Duration // transaction
	between  time.Duration // its statements
	paused   time.Duration // of that, on purpose
}

// took is how long it worked.
func (c cleaned) took() time.Duration { return c.to.Sub(c.from) - c.paused }

// statement adds one transaction to what was done.
func (c *cleaned) statement(from, to time.Time, rows int) {
	if c.from.IsZero() {
		c.from, c.to = from, from
	}
	c.between += from.Sub(c.to)
	c.to = to
	c.rows += rows
	c.longest = max(c.longest, to.Sub(from))
}

// layout says which of the sessions 1 to size are due. They were made one after the other, as in life: the oldest are to
// be deleted, the next to be deactivated, and the rest is in use.
type layout struct{ size, due int }

func (l layout) toDelete() int { return l.size * l.due / 200 }
func (l layout) dueCount() int { return l.size * l.due / 100 }

// alive is the n-th session that is not due, counted in circles; stale the n-th to deactivate.
func (l layout) alive(n int) int { return l.dueCount() + 1 + n%(l.size-l.dueCount()) }
func (l layout) stale(n int) int { return l.toDelete() + 1 + n%(l.dueCount()-l.toDelete()) }

// anyDue is the n-th that is due, where all of them are to be deleted.
func (l layout) anyDue(n int) int { return 1 + n%l.dueCount() }

// databases are those that contenders have, in the order in which they are shown.
func databases() []string {
	return distinct(contenders(), func(c contender) string { return c.database })
}

// contendersOn are those on one database.
func contendersOn(database string) []contender {
	return slices.DeleteFunc(contenders(), func(c contender) bool { return c.database != database })
}

// contenders are all of them, in the order in which they are shown.
func contenders() []contender {
	return []contender{
		{ours, onPostgres, openOursPostgres},
		{byHandOnce, onPostgres, openByHand(onceByHand)},
		{byHandLoop, onPostgres, openByHand(loopByHand)},
		{scsStore, onPostgres, openPgxstore},
		{riverQueue, onPostgres, openRiver},
		{ours, onSQLite, openOursSQLite},
		{byHandOnce, onSQLite, openSQLiteByHand(onceByHand)},
		{byHandLoop, onSQLite, openSQLiteByHand(loopByHand)},
		{scsStore, onSQLite, openSQLite3store},
		{ours, inMemory, openOursMemory},
		{scsStore, inMemory, openMemstore},
	}
}
