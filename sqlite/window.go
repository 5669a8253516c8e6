package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// windowSize is the number of due sessions that are found at once. More would save pages where what is due lies
// scattered in the table, and cost time before the first batch.
const windowSize = 50_000

// key is where a session lies in its table: the rowid, or the id where there is none.
type key struct {
	number int64
	text   string
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.text, b.text))
}

// window is a part of what is due, with its keys in order.
type window struct {
	pass    *pass
	cutoffs sessioncleanup.Cutoffs
	from    string
	to      string
	last    bool
	keys    []key
}

// window gives the one that a cursor is in: as last read, or read again when something else was done in between.
func (s *Store) window(ctx context.Context, at *pass, c sessioncleanup.Cutoffs, from cursor) (*window, error) {
	known := from.To != "" || from.Last
	s.mu.Lock()
	w := s.lastWindow
	s.mu.Unlock()
	if known && w != nil && w.pass == at && w.cutoffs == c && w.from == from.From && w.to == from.To && w.last == from.Last {
		return w, nil
	}
	w = &window{pass: at, cutoffs: c, from: from.From, to: from.To, last: from.Last}
	err := s.readingSessions(ctx, func(work *work) error { return work.readWindow(ctx, w, known, s.windowSize) })
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.lastWindow = w
	s.mu.Unlock()
	return w, nil
}

// readWindow reads the keys of a window, and finds its end unless that is known.
func (w *work) readWindow(ctx context.Context, win *window, known bool, size int) error {
	v := cutoffs(win.cutoffs)
	v["from"], v["size"] = win.from, size
	if !known {
		err := w.row(ctx, w.passSQL("end_of_window", win.pass), v, &win.to)
		if errors.Is(err, sql.ErrNoRows) {
			win.last, err = true, nil
		}
		if err != nil {
			return err
		}
	}
	statement := w.passSQL("last_window", win.pass)
	if !win.last {
		v["to"] = win.to
		statement = w.passSQL("window", win.pass)
	}
	var list string
	if err := w.row(ctx, statement, v, &list); err != nil {
		return err
	}
	var err error
	if win.keys, err = w.readKeys(list); err != nil {
		return err
	}
	slices.SortFunc(win.keys, compareKeys)
	return nil
}

func (l *layout) readKeys(list string) ([]key, error) {
	var keys []key
	if l.adopted.RowID != "" {
		var numbers []int64
		if err := json.Unmarshal([]byte(list), &numbers); err != nil {
			return nil, err
		}
		for _, number := range numbers {
			keys = append(keys, key{number: number})
		}
		return keys, nil
	}
	var texts []string
	if err := json.Unmarshal([]byte(list), &texts); err != nil {
		return nil, err
	}
	for _, text := range texts {
		keys = append(keys, key{text: text})
	}
	return keys, nil
}

// listKeys is a list of keys for json_each.
func (l *layout) listKeys(keys []key) (string, error) {
	list := make([]any, len(keys))
	for i, k := range keys {
		list[i] = k.text
		if l.adopted.RowID != "" {
			list[i] = k.number
		}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// take gives the next keys of a window, and where those after them start; the cursor is nil at the end of the pass.
func (w *window) take(from cursor, limit int) (keys []key, next *cursor) {
	start := 0
	if from.Behind {
		var found bool
		if start, found = slices.BinarySearchFunc(w.keys, key{from.Number, from.Text}, compareKeys); found {
			start++
		}
	}
	end := min(start+limit, len(w.keys))
	keys = w.keys[start:end]
	switch {
	case end < len(w.keys):
		behind := w.keys[end-1]
		return keys, &cursor{Pass: w.pass.name, From: w.from, To: w.to, Last: w.last, Behind: true, Number: behind.number, Text: behind.text}
	case !w.last:
		return keys, &cursor{Pass: w.pass.name, From: w.to}
	default:
		return keys, w.pass.next()
	}
}
