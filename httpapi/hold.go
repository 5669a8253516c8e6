package httpapi

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/sessioncleanup/sessioncleanup"
)

type entryAnswer struct {
	Success bool     `json:"success"`
	Message string   `json:"message"`
	Entry   archived `json:"entry"`
}

// hold serves PATCH /archive/{entry}/hold.
func (c *call) hold() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var held bool
	var reason string
	if err := c.body(map[string]field{"held": boolean("held", &held), "reason": words("reason", &reason)}, "held"); err != nil {
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
	values, err := c.changing("confirm")
	if err != nil {
		return err
	}
	if err := c.body(nil); err != nil {
		return err
	}
	id, err := c.entry()
	if err != nil {
		return err
	}
	if want := strconv.FormatInt(id, 10); !c.NoConfirm && values.Get("confirm") != want {
		ctx, cancel := c.timed()
		defer cancel()
		e, err := c.m.ArchivedEntry(ctx, id)
		if err != nil {
			return err
		}
		return &fault{problem: unconfirmed, args: []any{want}, extra: extra{Confirm: "?confirm=" + want, Entry: &archivedOf([]sessioncleanup.Archived{e})[0]}}
	}
	return c.onEntry(msgPurged, c.m.Purge)
}

// onEntry changes the entry of the archive that the path names.
func (c *call) onEntry(message text, change func(context.Context, []int64) ([]sessioncleanup.Archived, error)) error {
	id, err := c.entry()
	if err != nil {
		return err
	}
	var all []sessioncleanup.Archived
	if err := c.detached(func(ctx context.Context) (err error) {
		all, err = change(ctx, []int64{id})
		return err
	}); err != nil {
		return err
	}
	return c.reply(entryAnswer{Success: true, Message: message[c.lang], Entry: archivedOf(all)[0]})
}

type erasedAnswer struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	sessioncleanup.Erased
}

// erase serves POST /erase: without a confirmation it only counts.
func (c *call) erase() error {
	values, err := c.changing("confirm")
	if err != nil {
		return err
	}
	var owner string
	var o sessioncleanup.EraseOptions
	if err := c.body(map[string]field{"owner": ownerID("owner", &owner), "include_held": boolean("include_held", &o.IncludeHeld)}, "owner"); err != nil {
		return err
	}
	if o.DryRun = !c.NoConfirm && values.Get("confirm") != owner; !o.DryRun {
		if err := c.reachable(c.r.Context()); err != nil {
			return err
		}
	}
	var done sessioncleanup.Erased
	if err := c.detached(func(ctx context.Context) (err error) {
		done, err = c.m.Erase(ctx, owner, o)
		return err
	}); errors.Is(err, errors.ErrUnsupported) {
		return &fault{problem: notFound, detail: msgNoErasure}
	} else if err != nil {
		return err
	}
	if o.DryRun {
		confirm := url.QueryEscape(owner)
		return &fault{problem: unconfirmed, detail: msgErases, args: []any{confirm}, extra: extra{Confirm: "?confirm=" + confirm, Erase: &done}}
	}
	c.forget(owner)
	return c.reply(erasedAnswer{Success: true, Message: msgErased[c.lang], Erased: done})
}
