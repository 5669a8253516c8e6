package postgres

import (
	"context"
	"sync"
	"time"
)

// lastTransaction is the number of the transaction that ended last of those that wrote something, anywhere on the server.
// Every role may ask that, and it costs nothing.
const lastTransaction = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"

// fewWrites is how many transactions of others in a second are too few to make way for.
const fewWrites = 10

// others notices that others write: transactions ended between two of the store's own. Who only reads is not noticed.
type others struct {
	mu   sync.Mutex
	last int64     // the transaction that ended last, when the store's own had; 0 when that is not known
	at   time.Time // when that was
}

// mark begins to look out. It is called when the store has ended a transaction of its own.
func (o *others) mark(ctx context.Context, q querier) {
	var last int64
	if err := q.QueryRow(ctx, lastTransaction).Scan(&last); err != nil {
		last = 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last, o.at = last, time.Now()
}

// busy says whether others wrote since the mark, given the transaction that ended last by now.
func (o *others) busy(last int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last > 0 && float64(last-o.last) > fewWrites*time.Since(o.at).Seconds()
}
