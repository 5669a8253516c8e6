package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
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
	if blocked, ok := errors.AsType[*sessioncleanup.ObstructedError](err); ok {
		return c.obstructedFault(blocked)
	}
	for _, of := range faults {
		if errors.Is(err, of.err) {
			return &of.fault
		}
	}
	if c.Context.Err() != nil && errors.Is(err, context.Canceled) {
		return &fault{problem: unavailable, detail: msgStopping, retryAfter: time.Second}
	}
	if slices.ContainsFunc(outages, func(of error) bool { return errors.Is(err, of) }) {
		c.outage.failed(c.r.Context(), c.Logger, c.r.Method, err)
		return &fault{problem: unavailable, retryAfter: time.Second}
	}
	c.Logger.ErrorContext(c.r.Context(), "request failed", "method", c.r.Method, "error", err)
	if errors.Is(err, sessioncleanup.ErrClock) {
		return &fault{problem: clocksDiffer}
	}
	return &fault{problem: internal}
}

// faults are those of errors that need no more words. An error may be several; the first counts.
var faults = []struct {
	err   error
	fault fault
}{
	{sessioncleanup.ErrNotArchived, fault{problem: notFound, detail: msgNotArchived}},
	{sessioncleanup.ErrHeld, fault{problem: onHold}},
	{sessioncleanup.ErrTooLarge, fault{problem: unarchivable}},
	{errors.ErrUnsupported, fault{problem: notFound, detail: msgNoArchive}},
	{sessioncleanup.ErrCascade, fault{problem: otherSessions}}, // for an owner, who does not learn the ids of others' sessions
	{sessioncleanup.ErrKept, fault{problem: kept}},
	{sessioncleanup.ErrForbidden, fault{problem: forbidden}},
	{sessioncleanup.ErrNotFound, fault{problem: notFound}},
	{sessioncleanup.ErrDisabled, fault{problem: disabled}},
	{sessioncleanup.ErrNotCounted, fault{problem: counting, retryAfter: 2 * time.Second}},
	{sessioncleanup.ErrChanged, fault{problem: changed}},
	{sessioncleanup.ErrInvalid, fault{problem: invalidRequest}}, // the handler does not know which field it is about
}

// outages are the errors that end by themselves, or when an operator acts.
var outages = []error{
	sessioncleanup.ErrUnavailable, sessioncleanup.ErrLeaseLost, sessioncleanup.ErrNotInstalled, sessioncleanup.ErrUnarchivable,
	context.DeadlineExceeded, context.Canceled,
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
