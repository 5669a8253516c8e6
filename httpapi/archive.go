package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// archived is an entry of the archive as clients see it. Every field is always present.
type archived struct {
	ID         int64      `json:"id"`
	SessionID  string     `json:"session_id"`
	OwnerID    string     `json:"owner_id"`
	Name       string     `json:"name"`
	ArchivedAt time.Time  `json:"archived_at"`
	Actor      string     `json:"actor"`
	Reason     string     `json:"reason"`
	RunID      *string    `json:"run_id"`
	Rows       int        `json:"rows"`
	Bytes      int64      `json:"bytes"`
	Held       bool       `json:"held"`
	BackedUpAt *time.Time `json:"backed_up_at"`
	PurgeAt    *time.Time `json:"purge_at"`
}

func archivedOf(e sessioncleanup.Archived) archived {
	return archived{
		ID: e.ID, RunID: given(e.RunID), SessionID: e.SessionID, OwnerID: e.OwnerID, Name: e.Name, ArchivedAt: e.At, Actor: e.Actor, Reason: e.Reason,
		Rows: e.Rows, Bytes: e.Bytes, Held: e.Held, BackedUpAt: known(e.BackedUpAt), PurgeAt: known(e.PurgeAt),
	}
}

type archiveAnswer struct {
	Success    bool       `json:"success"`
	Entries    []archived `json:"entries"`
	NextCursor *string    `json:"next_cursor"`
}

// archive serves GET /archive: a page of what was deleted and can be restored, newest first.
func (c *call) archive() error {
	o := sessioncleanup.ArchiveOptions{SessionID: c.values.Get("session"), OwnerID: c.values.Get("owner")}
	var err error
	if o.Limit, err = c.limit(defaultEvents); err != nil {
		return err
	}
	held, err := oneOf(c, "held", []string{"true", "false"})
	if err != nil {
		return err
	}
	if held != "" {
		o.Held = sessioncleanup.SwitchOf(held == "true")
	}
	list := listOf("archive", c.scope, o.SessionID, held)
	if o.Before, err = list.before(c.values.Get("cursor")); err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	entries, err := c.m.Archived(ctx, o)
	if err != nil {
		return err
	}
	out := archiveAnswer{Success: true, Entries: make([]archived, len(entries))}
	for i, e := range entries {
		out.Entries[i] = archivedOf(e)
	}
	if len(entries) == o.Limit {
		out.NextCursor = given(list.cursor(entries[o.Limit-1].ID))
	}
	return c.reply(out)
}

// entryAnswer is the response of the routes that concern one entry.
type entryAnswer struct {
	Success bool     `json:"success"`
	Message string   `json:"message,omitempty"` // after a change
	Entry   archived `json:"entry"`
}

// archivedEntry serves GET /archive/{entry}.
func (c *call) archivedEntry() error {
	id, err := c.entry()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	e, err := c.m.ArchivedEntry(ctx, id)
	if err != nil {
		return err
	}
	return c.reply(entryAnswer{Success: true, Entry: archivedOf(e)})
}

// entry is the entry of the archive that the path names.
func (c *call) entry() (int64, error) {
	id, err := strconv.ParseInt(c.id, 10, 64)
	if err != nil || id < 1 {
		return 0, sessioncleanup.ErrNotArchived
	}
	return id, nil
}

type restoredAnswer struct {
	Success  bool     `json:"success"`
	Message  string   `json:"message"`
	DryRun   bool     `json:"dry_run"`
	Entry    archived `json:"entry"`
	Rows     int      `json:"rows"`     // of other tables, inserted again
	Relinked int      `json:"relinked"` // rows of other tables, linked again
}

// restore serves POST /archive/{entry}/restore. An obstacle is a problem, of a dry run too.
func (c *call) restore() error {
	var o sessioncleanup.RestoreOptions
	if err := c.body(map[string]field{"dry_run": boolean(&o.DryRun)}); err != nil {
		return err
	}
	id, err := c.entry()
	if err != nil {
		return err
	}
	if err := c.reachable(c.r.Context()); err != nil {
		return err
	}
	done, err := detached(c, func(ctx context.Context) (sessioncleanup.Restored, error) {
		return c.m.RestoreEntries(ctx, []int64{id}, o)
	})
	if err == nil && len(done.Obstacles) > 0 {
		err = &sessioncleanup.ObstructedError{Obstacles: done.Obstacles}
	}
	if err != nil {
		return err
	}
	message := msgWouldRestore
	if !o.DryRun {
		message = msgRestored
		c.forget(done.Entries[0].OwnerID)
	}
	return c.reply(restoredAnswer{
		Success: true, Message: message[c.lang], DryRun: o.DryRun, Entry: archivedOf(done.Entries[0]), Rows: done.Rows, Relinked: done.Relinked,
	})
}

// obstacle is what keeps an entry from being restored, as clients see it. The text of a sessioncleanup.Obstacle is in the
// server's log only: it may quote the database.
type obstacle struct {
	Entry     int64                       `json:"entry"`
	SessionID string                      `json:"session_id"`
	Kind      sessioncleanup.ObstacleKind `json:"kind"`
	Table     string                      `json:"table"`
	Text      string                      `json:"text"`
}

// obstructedFault is the problem with a restore that something is in the way of.
func (c *call) obstructedFault(blocked *sessioncleanup.ObstructedError) *fault {
	f := &fault{problem: obstructed}
	for _, o := range blocked.Obstacles {
		f.extra.Obstacles = append(f.extra.Obstacles, obstacle{o.Entry, o.SessionID, o.Kind, o.Table, msgObstacles[o.Kind][c.lang]})
	}
	c.Logger.WarnContext(c.r.Context(), "a session cannot be restored", "actor", c.who.Actor(), "error", blocked)
	return f
}
