package sqlite

import (
	"context"

	"github.com/sessioncleanup/sessioncleanup"
)

// classify has the classes of the sessions follow the rules of the run, and reports whether that is not finished.
func (w *sweep) classify(ctx context.Context, c *conn) (classed int, more bool, err error) {
	tags := tagsOf(w.Cutoffs)
	if known, err := c.classifies(ctx, tags); err != nil {
		return 0, false, err
	} else if !known {
		if err := c.setRuleTags(ctx, tags, false); err != nil {
			return 0, false, err
		}
	}
	return c.classTagged(ctx)
}

// divide takes each pass class by class, so that each is one stretch of an index. What has no such index, or is a choice of sessions, is
// measured session by session.
func (w *sweep) divide(ctx context.Context, c *conn) error {
	if !c.adopted.Classed || w.Only != nil {
		if len(w.Cutoffs.Rules) == 0 {
			return nil
		}
		return c.ruled(ctx, w.Cutoffs, false)
	}
	classes, err := c.texts(ctx, c.sql("classes", withProtected(false)), nil)
	if err != nil {
		return err
	}
	classes = append([]string{""}, classes...)
	var all []pass
	for i, p := range w.left {
		for _, p.class = range classes {
			if i > 0 || p.class >= w.from.Class {
				all = append(all, p)
			}
		}
	}
	w.left = all
	if w.left[0].class != w.from.Class { // no session has it any more
		w.from = cursor{Pass: w.left[0].name, Class: w.left[0].class}
	}
	return nil
}

// latestParams are cutoffs by which everything is due that any rule makes due.
func latestParams(c sessioncleanup.Cutoffs, pass string) params {
	p := cutoffParams(c.Latest())
	p["warned"] = nil
	if pass == "expired" { // whether it is idle depends on its rules
		p["inactive"] = nil
	}
	p["kept_by_note"] = "" // until it is folded in
	return p
}
