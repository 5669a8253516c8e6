package sqlite

import (
	"cmp"
	"context"
	"maps"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// classify has the classes of the sessions follow the rules of the run, and reports whether that is not finished.
func (w *sweep) classify(ctx context.Context, c *conn) (classed int, more bool, err error) {
	tags := sqlstore.RuleTags(w.Cutoffs)
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
// measured session by session. Nothing is left where no session has the class any more in which the batch starts, nor a later one.
func (w *sweep) divide(ctx context.Context, c *conn) error {
	if !c.adopted.Classed || w.Only != nil {
		if len(w.Cutoffs.Rules) == 0 {
			return nil
		}
		return c.ruled(ctx, w.Cutoffs, false)
	}
	classes, err := c.texts(ctx, c.classes(false), nil)
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
	if len(all) > 0 && all[0].class != w.from.Class { // no session has it any more
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

// search is the statement that selects the batch, with its parameters. It is false when no session can match the filter.
func (w *sweep) search(l *layout) (string, params, bool) {
	at, cut := w.left[0], w.Cutoffs.For(strings.Fields(w.left[0].class))
	p := l.cutoffParams(cut)
	condition, _, possible := l.where(w.Filter, "", p)
	p["limit"], p["after_place"], p["ahead"] = w.Limit, w.from.Place, formatTime(w.Cutoffs.Ahead())
	if w.Action == sessioncleanup.ActionCorrected && w.from.Place == "" {
		p["after_place"] = p["ahead"]
	}
	p["after_key"], _ = l.key(w.from)
	p["kept_by_note"] = endOfTime
	switch at.name {
	case "idle":
		p["kept_by_note"] = formatTime(cut.Inactive)
	case "gone":
		p["kept_by_note"] = formatTime(cut.Delete)
		if !cut.Warned.IsZero() { // the warning may be for what the table has, not for what the note makes of it
			p["kept_by_note"] = ""
		}
	case "to_warn":
		p["kept_by_note"] = ""
	}
	plain, index, due := l, at.index, ""
	if l.measure != nil {
		plain = l.measure.plain
	}
	switch {
	case l.measure != nil: // among what any rule makes due, measure each session by its tags
		due = " AND (" + l.names["due_"+at.name] + ")"
		maps.Copy(p, latestParams(w.Cutoffs, at.name))
	case l.adopted.Classed && at.class == "":
		condition += l.names["if_unclassed"] + " AND " + l.names["true_class"] + " IS NULL"
	case l.adopted.Classed:
		p["class"], index = at.class, "class_"+index
		condition += " AND " + l.sql("of_class", nil)
	}
	names := sqlfile.Names{
		"indexed_by": filled("indexed_by", sqlfile.Names{"index": "sessioncleanup_" + index}), "place": cmp.Or(l.names[at.place], "'-'"),
		"due": plain.names["due_"+at.name] + due, "condition": condition, "beyond": "1",
	}
	if p["after_place"] != "" {
		names["beyond"] = statements["beyond"]
	}
	if w.Only != nil {
		names["indexed_by"], names["condition"] = "", condition+" AND "+l.sql("only", nil)
	}
	names["order"] = "key"
	if at.place != "" {
		names["order"] = "place, key"
	}
	return l.sql("select_batch", names), p, possible
}
