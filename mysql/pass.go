package mysql

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// ranges is where an index has the sessions that are due in some way: in each stretch, one range of it. A stretch is the part of the
// index with the same state and class.
type ranges struct {
	index  string
	those  func(stretch) bool     // the stretches with such sessions
	place  func(l *layout) string // the column by which it is ordered, before the id; empty for none
	until  string                 // how that column compares
	moment string                 // with which parameter; nothing is due in this way where that is NULL
}

var (
	undatedRanges = ranges{"due_gone", stretch.ended, (*layout).noColumn, "IS NULL", ""}
	aheadRanges   = ranges{"due_idle", stretch.any, (*layout).lastColumn, ">", "ahead"}
	idleRanges    = ranges{"due_idle", stretch.runs, (*layout).lastColumn, "<", "inactive"}
	expiredRanges = ranges{"due_expired", stretch.runs, (*layout).expiresColumn, "<=", "expired"}
	goneRanges    = ranges{"due_gone", stretch.ended, (*layout).sinceColumn, "<", "delete"}
	toWarnRanges  = ranges{"due_gone", stretch.ended, (*layout).sinceColumn, "<", "warn"}
)

// pass is one scan for due sessions along an index, stretch by stretch.
type pass struct {
	name string // of the rule
	ranges
	write string  // the statement that changes what is due
	of    stretch // the one that it is in
}

var passes = map[sessioncleanup.Action][]pass{
	sessioncleanup.ActionDated:       {{"due_undated", undatedRanges, "date_batch", stretch{}}},
	sessioncleanup.ActionCorrected:   {{"due_ahead", aheadRanges, "correct_batch", stretch{}}},
	sessioncleanup.ActionDeactivated: {{"due_idle", idleRanges, "deactivate_batch", stretch{}}, {"due_expired", expiredRanges, "deactivate_batch", stretch{}}},
	sessioncleanup.ActionDeleted:     {{"due_gone", goneRanges, "delete_batch", stretch{}}},
	sessioncleanup.ActionNoticed:     {{"due_to_warn", toWarnRanges, "", stretch{}}},
}

// compared is the condition for a session of a stretch to be in the range. The parameter's name has a suffix.
func (r ranges) compared(l *layout, suffix string) string {
	condition := cmp.Or(r.place(l), l.sinceColumn()) + " " + r.until
	if r.moment != "" {
		condition += " :" + r.moment + suffix
	}
	return condition
}

func (l *layout) noColumn() string      { return "" }
func (l *layout) lastColumn() string    { return column(l.schema.LastActivity) }
func (l *layout) expiresColumn() string { return column(l.schema.ExpiresAt) }
func (l *layout) sinceColumn() string   { return column(l.schema.DeactivatedAt) }

// cursor is where a batch continues: the pass, the stretch within it, and the last session handled.
type cursor struct {
	Pass   string     `json:"p"`
	In     string     `json:"s,omitempty"` // the key of the stretch
	Place  *time.Time `json:"t,omitempty"`
	ID     string     `json:"i,omitempty"`
	Folded int        `json:"f,omitempty"` // notes folded before
}

func (c cursor) String() string { return sqlstore.JSON(c) }

// start returns the cursor at the beginning of the pass.
func (p pass) start() cursor { return cursor{Pass: p.name, In: p.of.key()} }

// startOf decodes where a batch continues, and returns the passes that are left.
func startOf(b sessioncleanup.Batch) (cursor, []pass, error) {
	all := passes[b.Action]
	if len(all) == 0 {
		return cursor{}, nil, invalid.Errorf("action of the batch is %q: want one that Sweep does", b.Action)
	}
	at := cursor{Pass: all[0].name}
	if b.After != "" {
		if err := json.Unmarshal([]byte(b.After), &at); err != nil {
			return cursor{}, nil, errNoCursor(b)
		}
	}
	i := slices.IndexFunc(all, func(p pass) bool { return p.name == at.Pass })
	if i < 0 || !validStretchKey(at.In) {
		return cursor{}, nil, errNoCursor(b)
	}
	return at, all[i:], nil
}

func errNoCursor(b sessioncleanup.Batch) error {
	return invalid.Errorf("cursor of the batch is %.100q: want one that an earlier batch returned", b.After)
}
