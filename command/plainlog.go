package command

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// plainLog logs to standard error as sentences for people; as JSON where the log is.
func (a *app) plainLog(level slog.Level) *slog.Logger {
	if a.logsJSON() {
		return a.logTo(level)
	}
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(&plainHandler{app: a, level: level})
}

// plainHandler writes each record as a line of its own: the message, then the attributes in brackets.
type plainHandler struct {
	*app
	level slog.Level
	attrs []slog.Attr
}

// Enabled reports whether records of a level are written.
func (h *plainHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle writes a record.
func (h *plainHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	if r.Level >= slog.LevelWarn {
		line = "warning: " + line
	}
	all := slices.Clone(h.attrs)
	r.Attrs(func(attr slog.Attr) bool {
		all = append(all, attr)
		return true
	})
	details := make([]string, len(all))
	for i, attr := range all {
		details[i] = attr.Key + ": " + attr.Value.String()
	}
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	h.complain(line)
	return nil
}

// WithAttrs returns a handler that adds attributes to every record.
func (h *plainHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.attrs = append(slices.Clip(h.attrs), attrs...)
	return &more
}

// WithGroup returns the handler itself: lines for people have no groups.
func (h *plainHandler) WithGroup(string) slog.Handler { return h }
