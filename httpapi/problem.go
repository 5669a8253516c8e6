package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// problemsAt is the address at which docs/http.md describes the problems; a problem's name completes it.
const problemsAt = "https://github.com/sessioncleanup/sessioncleanup/blob/main/docs/http.md#"

// kind is a kind of problem. Its name is part of the contract.
type kind struct {
	name   string
	status int
	title  text
	detail text // unless the fault has its own
}

// fault is an error as clients see it.
type fault struct {
	problem    *kind
	detail     text // in place of the kind's
	args       []any
	field      string // the parameter, body field or header that is wrong
	allow      []string
	retryAfter time.Duration
	extra      extra
}

// extra is what some problems add.
type extra struct {
	Session    *toDelete                  `json:"session,omitempty"`
	Dependents []sessioncleanup.Dependent `json:"dependents,omitempty"` // of the session
	Entry      *archived                  `json:"entry,omitempty"`      // that would be purged
	Erase      *sessioncleanup.Erased     `json:"erase,omitempty"`      // what would be erased
	Confirm    string                     `json:"confirm,omitempty"`
	SessionIDs []string                   `json:"session_ids,omitempty"` // that would be deleted along with the session
	Obstacles  []obstacle                 `json:"obstacles,omitempty"`   // that keep an entry of the archive from being restored
	Due        int                        `json:"due,omitempty"`
	DueBefore  *int                       `json:"due_before,omitempty"` // without the change of the policy
	Fraction   float64                    `json:"max_delete_fraction,omitempty"`
	AtMost     int                        `json:"delete_at_most,omitempty"`
	Pause      *sessioncleanup.Pause      `json:"pause,omitempty"`
	RunID      string                     `json:"run_id,omitempty"`
	Bulk       *sessioncleanup.BulkResult `json:"bulk,omitempty"` // what was done before
	report                                // of a run that was stopped
}

// Error is for the log.
func (f *fault) Error() string { return f.problem.name }

// document is the body of a problem: RFC 9457, with success and error as the guide's front ends read them.
type document struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Success bool   `json:"success"`
	Error   string `json:"error"`
	Field   string `json:"field,omitempty"`
	extra
}

// documentOf describes a fault to the client.
func (c *call) documentOf(f *fault) document {
	detail := f.detail
	if detail == (text{}) {
		detail = f.problem.detail
	}
	message := detail[c.lang]
	if len(f.args) > 0 {
		message = fmt.Sprintf(message, f.args...)
	}
	return document{
		Type: problemsAt + f.problem.name, Title: f.problem.title[c.lang], Status: f.problem.status,
		Detail: message, Error: message, Field: f.field, extra: f.extra,
	}
}

// fail responds with a problem.
func (c *call) fail(err error) {
	f := c.faultOf(err)
	if c.started {
		panic(http.ErrAbortHandler)
	}
	document := c.documentOf(f)
	body, err := json.Marshal(document)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	h := c.w.Header()
	h.Del("ETag")
	h.Set("Content-Type", "application/problem+json")
	if f.allow != nil {
		h.Set("Allow", strings.Join(f.allow, ", "))
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(min(f.retryAfter, time.Hour).Seconds()))))
	}
	if f.problem == unauthenticated {
		h.Set("WWW-Authenticate", c.Challenge)
	}
	if c.html && c.sendPage(document.Status, keepPage{Title: document.Title, Introduction: document.Detail}) == nil {
		return
	}
	c.send(f.problem.status, body)
}

// faultOf maps an error of the Manager. An unknown one is an internal error, with its details in the log only.
func (c *call) faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if many, ok := errors.AsType[*sessioncleanup.TooManyError](err); ok {
		f := &fault{
			problem: tooManyDeletions, args: []any{many.Due, 100 * many.Fraction, many.Due},
			extra: extra{Due: many.Due, Fraction: many.Fraction, AtMost: many.AtMost},
		}
		if many.AtMost > 0 {
			f.detail, f.args[1] = msgMoreThan, many.AtMost
		}
		return f
	}
	if along, ok := errors.AsType[*sessioncleanup.CascadeError](err); ok {
		return &fault{problem: otherSessions, extra: extra{SessionIDs: along.SessionIDs}}
	}
	if more, ok := errors.AsType[*sessioncleanup.UnexpectedError](err); ok {
		return &fault{problem: unexpected, args: []any{more.Expected}}
	}
	if p, ok := errors.AsType[*sessioncleanup.PausedError](err); ok {
		return &fault{problem: paused, args: []any{p.Until.Format(time.RFC3339), p.By, p.Reason}, extra: extra{Pause: &p.Pause}}
	}
	if tag, ok := errors.AsType[*sessioncleanup.ColumnTagError](err); ok {
		const field = "tags"
		return &fault{problem: invalidRequest, field: field, detail: msgColumnTag, args: []any{field, tag.Tag, tag.Column}}
	}
	if f := c.archiveFault(err); f != nil {
		return f
	}
	switch {
	case errors.Is(err, sessioncleanup.ErrCascade): // for an owner, who does not learn the ids of others' sessions
		return &fault{problem: otherSessions}
	case errors.Is(err, sessioncleanup.ErrKept):
		return &fault{problem: kept}
	case errors.Is(err, sessioncleanup.ErrForbidden):
		return &fault{problem: forbidden}
	case errors.Is(err, sessioncleanup.ErrNotFound):
		return &fault{problem: notFound}
	case errors.Is(err, sessioncleanup.ErrDisabled):
		return &fault{problem: disabled}
	case errors.Is(err, sessioncleanup.ErrNotCounted):
		return &fault{problem: counting, retryAfter: 2 * time.Second}
	case errors.Is(err, sessioncleanup.ErrClock):
		c.Logger.ErrorContext(c.r.Context(), "request failed", "method", c.r.Method, "error", err)
		return &fault{problem: clocksDiffer}
	case errors.Is(err, sessioncleanup.ErrChanged):
		return &fault{problem: changed}
	case errors.Is(err, sessioncleanup.ErrInvalid): // the handler does not know which field it is about
		return &fault{problem: invalidRequest}
	case errors.Is(err, sessioncleanup.ErrUnavailable), errors.Is(err, sessioncleanup.ErrLeaseLost),
		errors.Is(err, sessioncleanup.ErrNotInstalled), errors.Is(err, sessioncleanup.ErrUnarchivable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		c.outage.failed(c.r.Context(), c.Logger, c.r.Method, err)
		return &fault{problem: unavailable, retryAfter: time.Second}
	}
	c.Logger.ErrorContext(c.r.Context(), "request failed", "method", c.r.Method, "error", err)
	return &fault{problem: internal}
}

// refused is the problem for an error of Options.Authenticate.
func refused(err error) error {
	if e, ok := errors.AsType[*WaitError](err); ok {
		return &fault{problem: tooManyRequests, retryAfter: e.Wait}
	}
	if errors.Is(err, sessioncleanup.ErrForbidden) || errors.Is(err, sessioncleanup.ErrUnavailable) ||
		errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &fault{problem: unauthenticated}
}

// wrong is a parameter, body field or header that cannot be right.
func wrong(field string, detail text, args ...any) error {
	return &fault{problem: invalidRequest, field: field, detail: detail, args: append([]any{field}, args...)}
}
