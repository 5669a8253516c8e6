package httpapi

import (
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

type ownersAnswer struct {
	Success    bool                          `json:"success"`
	At         time.Time                     `json:"at"` // when the sessions were counted
	Owners     []sessioncleanup.OwnerFigures `json:"owners"`
	Matching   int                           `json:"matching"`    // on all pages
	Count      int                           `json:"owner_count"` // all that have sessions
	NextCursor *string                       `json:"next_cursor"`
}

// ownerSorts are the orders of owners as a query names them; a minus reverses one.
var ownerSorts = signed(sessioncleanup.OwnerSorts())

// owners serves GET /owners: a page of owners with the figures of their sessions.
func (c *call) owners() error {
	o := sessioncleanup.OwnerOptions{Text: c.values.Get("q"), Cursor: c.values.Get("cursor")}
	var err error
	if o.Limit, err = c.limit(0); err != nil {
		return err
	}
	if o.Sort, o.Descending, err = order(c, ownerSorts, sessioncleanup.OwnersByTotal); err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	page, err := c.m.Owners(ctx, o)
	if err != nil {
		return cursorFault(err)
	}
	return c.reply(ownersAnswer{
		Success: true, At: page.At, Owners: page.Owners, Matching: page.Matching, Count: page.Count, NextCursor: given(page.Next),
	})
}
