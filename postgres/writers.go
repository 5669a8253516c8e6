package postgres

import "sync"

// readWriters reads how many transactions and subtransactions that wrote something have begun on the server, as far as
// the newest that has ended tells, and the server's clock in seconds. Every role may ask that, and it costs nothing.
const readWriters = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, extract(epoch FROM clock_timestamp())::float8"

// fewWrites is how many transactions of others in a second are too few to pause for.
const fewWrites = 10

// writers notices that others write to the server: transactions that ended between the store's own. It does not notice
// those that only read, nor a transaction before it ends.
type writers struct {
	mu      sync.Mutex
	from    reading // when the store's last transaction had ended; zero when that is not known
	writes  int64   // of others, seen since the last batch
	watched float64 // seconds
}

// reading is the result of readWriters.
type reading struct {
	writers int64
	at      float64
}

// began is told what was read at the beginning of a transaction of the store.
func (w *writers) began(r reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.from.writers > 0 {
		w.writes += r.writers - w.from.writers
		w.watched += r.at - w.from.at
	}
	w.from = reading{}
}

// ended is told what was read after the end of a transaction of the store.
func (w *writers) ended(r reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from = r
}

// busy reports whether others wrote since the batch before.
func (w *writers) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	busy := float64(w.writes) > fewWrites*w.watched
	w.writes, w.watched = 0, 0
	return busy
}
