package httpapi

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/sessioncleanup/sessioncleanup"
)

// hold serves PATCH /archive/{entry}/hold.
func (c *call) hold() error {
	var held bool
	var reason string
	if err := c.body(map[string]field{"held": boolean(&held), "reason": words(&reason)}, "held"); err != nil {
		return err
	}
	message := msgReleased
	if held {
		message = msgHeld
	}
	return c.onEntry(message, func(ctx context.Context, ids []int64) ([]sessioncleanup.Archived, error) {
		return c.m.Hold(ctx, ids, held, reason)
	})
}

// purge serves DELETE /archive/{entry}.
func (c *call) purge() error {
	if err := c.body(nil); err != nil {
		return err
	}
	id, err := c.entry()
	if err != nil {
		return err
	}
	if want := strconv.FormatInt(id, 10); !c.NoConfirm && c.values.Get("confirm") != want {
		ctx, cancel := c.timed()
		defer cancel()
		e, err := c.m.ArchivedEntry(ctx, id)
		if err != nil {
			return err
		}
		return &fault{problem: unconfirmed, args: []any{want}, extra: extra{Confirm: "?confirm=" + want, Entry: new(archivedOf(e))}}
	}
	return c.onEntry(msgPurged, c.m.Purge)
}

// onEntry changes the entry of the archive that the path names.
func (c *call) onEntry(message text, change func(context.Context, []int64) ([]sessioncleanup.Archived, error)) error {
	id, err := c.entry()
	if err != nil {
		return err
	}
	all, err := detached(c, func(ctx context.Context) ([]sessioncleanup.Archived, error) { return change(ctx, []int64{id}) })
	if err != nil {
		return err
	}
	return c.reply(entryAnswer{Success: true, Message: message[c.lang], Entry: archivedOf(all[0])})
}

type erasedAnswer struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	sessioncleanup.Erased
}

// erase serves POST /erase: without a confirmation it only counts.
func (c *call) erase() error {
	var owner string
	var o sessioncleanup.EraseOptions
	if err := c.body(map[string]field{"owner": ownerID(&owner), "include_held": boolean(&o.IncludeHeld)}, "owner"); err != nil {
		return err
	}
	if o.DryRun = !c.NoConfirm && c.values.Get("confirm") != owner; !o.DryRun {
		if err := c.reachable(c.r.Context()); err != nil {
			return err
		}
	}
	done, err := detached(c, func(ctx context.Context) (sessioncleanup.Erased, error) { return c.m.Erase(ctx, owner, o) })
	if errors.Is(err, errors.ErrUnsupported) {
		return &fault{problem: notFound, detail: msgNoErasure}
	}
	if err != nil {
		return err
	}
	if o.DryRun {
		confirm := url.QueryEscape(owner)
		return &fault{problem: unconfirmed, detail: msgErases, args: []any{confirm}, extra: extra{Confirm: "?confirm=" + confirm, Erase: &done}}
	}
	c.forget(owner)
	return c.reply(erasedAnswer{Success: true, Message: msgErased[c.lang], Erased: done})
}
