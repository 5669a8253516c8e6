package httpapi

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sessioncleanup/sessioncleanup"
)

// setTags serves PATCH /{id}/tags: it adds tags to a session and removes others.
func (c *call) setTags() error {
	var change sessioncleanup.TagChange
	err := c.body(map[string]field{"add": tagList(&change.Add), "remove": tagList(&change.Remove)})
	switch {
	case err != nil:
		return err
	case len(change.Add)+len(change.Remove) == 0:
		return wrong("add", msgMissing)
	case change.Validate() != nil: // each by itself is right
		return wrong("remove", msgAddedToo)
	}
	return c.change(msgTagged, func(m *sessioncleanup.Manager, ctx context.Context, id string) (sessioncleanup.Session, error) {
		s, err := m.Tag(ctx, id, change)
		return s, tagFault(err)
	})
}

// tagFault is the fault of a change of tags that cannot be made.
func tagFault(err error) error {
	switch {
	case errors.Is(err, sessioncleanup.ErrTooManyTags):
		return wrong("add", msgManyTags, sessioncleanup.MaxTags)
	case errors.Is(err, errors.ErrUnsupported):
		return &fault{problem: notFound, detail: msgNoTags}
	default:
		return err
	}
}

// tagFilter reads a filter by tags.
func tagFilter(name, text string) (string, error) {
	if _, err := sessioncleanup.ParseTagFilter(text); err != nil {
		return "", wrong(name, msgTagFilter, text)
	}
	return text, nil
}

// tagFilterField reads a filter by tags in a body.
func tagFilterField(to *string) field {
	return func(name string, raw json.RawMessage) error {
		err := json.Unmarshal(raw, to)
		if err == nil && *to != "" {
			_, err = tagFilter(name, *to)
		}
		if err != nil || *to == "" {
			return wrong(name, msgTagFilter, unquoted(raw))
		}
		return nil
	}
}

// tagList reads a list of tags.
func tagList(to *[]string) field {
	return func(name string, raw json.RawMessage) error {
		err := json.Unmarshal(raw, to)
		if err == nil {
			err = sessioncleanup.TagChange{Add: *to}.Validate()
		}
		if err != nil || len(*to) == 0 || len(*to) > sessioncleanup.MaxTags {
			return wrong(name, msgTags, sessioncleanup.MaxTags, sessioncleanup.MaxTag)
		}
		return nil
	}
}

type tagsAnswer struct {
	Success bool                      `json:"success"`
	Tags    []sessioncleanup.TagCount `json:"tags"`
}

// tagsInUse serves GET /tags: those in use. They are as old as other figures may be.
func (c *call) tagsInUse() error {
	all, _, err := c.tagCounts.get(c.r.Context(), c.scope, func(ctx context.Context) ([]sessioncleanup.TagCount, error) { return c.m.Tags(ctx, c.scope) })
	if err != nil {
		return tagFault(err)
	}
	return c.reply(tagsAnswer{Success: true, Tags: append([]sessioncleanup.TagCount{}, all...)})
}
