package httpapi

import (
	"strings"
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
	values, err := c.query("q", "sort", "limit", "cursor")
	if err != nil {
		return err
	}
	o := sessioncleanup.OwnerOptions{Text: values.Get("q"), Cursor: values.Get("cursor")}
	if o.Limit, err = limitOf(values); err != nil {
		return err
	}
	sort, err := oneOf(values, "sort", ownerSorts)
	if err != nil {
		return err
	}
	if sort == "" { // those with the most sessions first
		sort = "-" + string(sessioncleanup.OwnersByTotal)
	}
	name, descending := strings.CutPrefix(sort, "-")
	o.Sort, o.Descending = sessioncleanup.OwnerSort(name), descending
	ctx, cancel := c.timed()
	defer cancel()
	page, err := c.m.Owners(ctx, o)
	if err != nil {
		return cursorFault(err)
	}
	out := ownersAnswer{Success: true, At: page.At, Owners: page.Owners, Matching: page.Matching, Count: page.Count}
	if page.Next != "" {
		out.NextCursor = &page.Next
	}
	return c.reply(out)
}
