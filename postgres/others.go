package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// readWriters reads how many transactions and subtransactions that wrote something have begun on the server, as far as
// the newest that has ended tells, and the server's clock in seconds. Every role may ask that, and it costs nothing.
const readWriters = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, extract(epoch FROM clock_timestamp())::float8"

const (
	// fewWrites is how many transactions of others in a second are too few to make way for.
	fewWrites = 10
	// lookFor is how long a look at others may take: a run goes on without.
	lookFor = time.Second
)

// others notices that others write: transactions ended between the store's own. Who only reads is not noticed, nor is a
// transaction before it ends.
type others struct {
	mu      sync.Mutex
	from    reading // when the store's last transaction had ended; zero when that is not known
	writes  int64   // of others, seen since the last batch
	watched float64 // seconds
}

// reading is what readWriters gives.
type reading struct {
	writers int64
	at      float64
}

func (r *reading) scan(row pgx.Row) error { return row.Scan(&r.writers, &r.at) }

// begin looks out for others from now on: a transaction of the store's has ended.
func (o *others) begin(ctx context.Context, q querier) {
	r := read(ctx, q)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from = r
}

// end stops looking: a transaction of the store's is about to begin.
func (o *others) end(ctx context.Context, q querier) { o.add(read(ctx, q)) }

func read(ctx context.Context, q querier) (r reading) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	if r.scan(q.QueryRow(ctx, readWriters)) != nil {
		return reading{}
	}
	return r
}

func (o *others) add(r reading) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.from.writers > 0 && r.writers > 0 {
		o.writes += r.writers - o.from.writers
		o.watched += r.at - o.from.at
	}
	o.from = reading{}
}

// busy says whether others wrote between the batch before and the one that begins with a reading.
func (o *others) busy(r reading) bool {
	o.add(r)
	o.mu.Lock()
	defer o.mu.Unlock()
	busy := float64(o.writes) > fewWrites*o.watched
	o.writes, o.watched = 0, 0
	return busy
}
