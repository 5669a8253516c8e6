package storetest

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// miscounts is a sound Tagger whose answers are changed.
type miscounts func(ctx context.Context, owner string) ([]sessioncleanup.TagCount, error)

func (m miscounts) Tags(ctx context.Context, owner string) ([]sessioncleanup.TagCount, error) {
	return m(ctx, owner)
}

func countsTags(do func(ctx context.Context, t sessioncleanup.Tagger, owner string) ([]sessioncleanup.TagCount, error)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		sound := b.Tagger
		b.Tagger = miscounts(func(ctx context.Context, owner string) ([]sessioncleanup.TagCount, error) {
			return do(ctx, sound, owner)
		})
	}
}

// asksTags changes the tags that lists are asked for.
func asksTags(change func(string) string) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
			q.Tags = change(q.Tags)
			return b.Store.List(ctx, q)
		}
	}
}

// updates changes what an Update is asked for.
func updates(change func(*sessioncleanup.Target, *sessioncleanup.Change)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
			change(&t, &c)
			return b.Store.Update(ctx, t, c)
		}
	}
}

// untags removes the tags of a session after something was done.
func untags(ctx context.Context, b *broken, id string) error {
	s, there, err := b.find(ctx, id)
	if there {
		s.Tags = nil
		err = b.app.Put(s)
	}
	return err
}

// retags remembers the tags that a session had, and gives them to the next one with its id.
func retags(h *Harness, b *broken) {
	had := map[string][]string{}
	b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
		s, err := b.Store.Delete(ctx, t, c)
		had[s.ID] = s.Tags
		return s, err
	}
	b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
		all, err := b.stored(ctx)
		for _, s := range all {
			had[s.ID] = s.Tags
		}
		if err != nil {
			return sessioncleanup.BatchResult{}, err
		}
		return b.Store.Sweep(ctx, batch)
	}
	insert := h.Insert
	h.Insert = func(ctx context.Context, sessions ...sessioncleanup.Session) error {
		sessions = slices.Clone(sessions)
		for i, s := range sessions {
			sessions[i].Tags = had[s.ID]
		}
		return insert(ctx, sessions...)
	}
}

func tagFlaws() []flaw {
	changed, counted, selecting := []func(*fixture){tagsChange}, []func(*fixture){tagsCounted}, []func(*fixture){tagsSelect}
	return []flaw{
		{"removes no tags", updates(func(_ *sessioncleanup.Target, c *sessioncleanup.Change) { c.Tags.Remove = nil }), []func(*fixture){tagsChange, tagsOfApplication, tagsCounted}},
		{"adds one tag of several", updates(func(_ *sessioncleanup.Target, c *sessioncleanup.Change) {
			c.Tags.Add = c.Tags.Add[:min(1, len(c.Tags.Add))]
		}), changed},
		{"changes tags whatever the condition", updates(func(t *sessioncleanup.Target, _ *sessioncleanup.Change) { t.If = nil }), []func(*fixture){tagsConditional}},
		{"hides the tags from the condition", updates(func(t *sessioncleanup.Target, _ *sessioncleanup.Change) {
			if condition := t.If; condition != nil {
				t.If = func(s sessioncleanup.Session) bool {
					s.Tags = nil
					return condition(s)
				}
			}
		}), []func(*fixture){tagsConditional}},
		{"lists sessions without their tags", func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				page, err := b.Store.List(ctx, q)
				for i := range page.Sessions {
					page.Sessions[i].Tags = nil
				}
				return page, err
			}
		}, []func(*fixture){tagsChange, tagsOfApplication, tagsArchived}},
		{"lists sessions whatever their tags", func(_ *Harness, b *broken) {
			b.list = func(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
				q.Tags = ""
				return b.Store.List(ctx, q)
			}
		}, selecting},
		{"takes the beginning of a tag for the tag", asksTags(func(word string) string {
			if word == "vip" {
				return "vip|vipp"
			}
			return word
		}), selecting},
		{"selects sessions with one of several tags", asksTags(func(word string) string { return strings.ReplaceAll(word, " ", "|") }), selecting},
		{"does not exclude tags", asksTags(func(word string) string {
			return strings.Join(slices.DeleteFunc(strings.Fields(word), func(w string) bool { return w[0] == '-' }), " ")
		}), selecting},
		{"counts sessions whatever their tags", func(_ *Harness, b *broken) {
			b.counts = func(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
				q.Tags = ""
				return b.Store.Counts(ctx, q)
			}
		}, selecting},
		{"cleans up whatever the tags", func(_ *Harness, b *broken) {
			b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
				batch.Filter.Tags = ""
				return b.Store.Sweep(ctx, batch)
			}
		}, selecting},
		{"writes an event for tags that a session has already", func(_ *Harness, b *broken) {
			b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
				s, err := b.Store.Update(ctx, t, c)
				if err == nil && slices.Contains(c.Tags.Remove, "absent") {
					_, err = b.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{
						Action: c.Action, Actor: c.Cause.Actor, Reason: c.Cause.Reason, Sessions: []sessioncleanup.SessionRef{s.Ref()},
					}})
				}
				return s, err
			}
		}, changed},
		{"takes any word of the application for a tag", func(h *Harness, _ *broken) {
			tag := h.Tag
			h.Tag = func(ctx context.Context, id string, tags ...string) error {
				if slices.ContainsFunc(tags, func(tag string) bool { return tag == "" || strings.ToLower(tag) != tag }) {
					return nil
				}
				return tag(ctx, id, tags...)
			}
		}, []func(*fixture){tagsOfApplication}},
		{"counts the tags of all for an owner", countsTags(func(ctx context.Context, t sessioncleanup.Tagger, _ string) ([]sessioncleanup.TagCount, error) {
			return t.Tags(ctx, "")
		}), counted},
		{"counts tags in no order", countsTags(func(ctx context.Context, t sessioncleanup.Tagger, owner string) ([]sessioncleanup.TagCount, error) {
			all, err := t.Tags(ctx, owner)
			slices.Reverse(all)
			return all, err
		}), counted},
		{"gives a new session the tags of a deleted one with its id", retags, []func(*fixture){tagsEnd}},
		{"restores sessions without their tags", restoresThen(func(ctx context.Context, b *broken, r sessioncleanup.RestoreRequest, out *sessioncleanup.Restored) error {
			for _, e := range out.Entries {
				if r.DryRun {
					continue
				}
				if err := untags(ctx, b, e.SessionID); err != nil {
					return err
				}
			}
			return nil
		}), []func(*fixture){tagsArchived}},
	}
}
