package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

const (
	ndjson = "application/x-ndjson"
	// progressEvery is how often a stream tells how far the work is.
	progressEvery = 200 * time.Millisecond
)

// stream is the response to long work. A client that accepts application/x-ndjson gets lines of JSON: progress while the work
// lasts, and the result or the problem in the end; when it disconnects, the work ends early, so it can cancel it. Other
// clients get the result alone, and the work continues without them.
type stream struct {
	*call
	lines  bool
	cancel context.CancelFunc // of the work
	told   time.Time
}

// streamed is the stream of a request.
func (c *call) streamed() *stream {
	return &stream{call: c, lines: strings.Contains(c.r.Header.Get("Accept"), ndjson), cancel: func() {}}
}

// worked does what the stream tells of. Only Options.Context and, with lines, the client end it early.
func worked[T any](s *stream, do func(context.Context) (T, error)) (T, error) {
	if !s.lines {
		return detached(s.call, do)
	}
	ctx, cancel := context.WithCancel(s.r.Context())
	defer cancel()
	defer context.AfterFunc(s.Context, cancel)()
	s.cancel = cancel
	return do(ctx)
}

// line is a line of the stream: one of the three.
type line struct {
	Progress *progress `json:"progress,omitempty"`
	Result   any       `json:"result,omitempty"`
	Problem  *document `json:"problem,omitempty"`
}

type progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// progress tells how far the work is, unless it did so just now.
func (s *stream) progress(done, total int) {
	if !s.lines || time.Since(s.told) < progressEvery {
		return
	}
	s.told = time.Now()
	s.send(line{Progress: &progress{done, total}})
}

func (s *stream) progressOfRun(p sessioncleanup.Progress) { s.progress(p.Done, p.Total) }

// reply ends the stream with the result.
func (s *stream) reply(v any) error {
	if !s.lines {
		return s.call.reply(v)
	}
	s.send(line{Result: v})
	return nil
}

// end ends the stream with an error: once it has begun, in its last line.
func (s *stream) end(err error) error {
	if !s.started {
		return err
	}
	d := s.documentOf(s.faultOf(err))
	s.send(line{Problem: &d})
	return nil
}

// send writes a line at once. A client that does not receive it in time has the work end.
func (s *stream) send(l line) {
	data, err := json.Marshal(l)
	if err != nil { // plain structs always marshal
		panic(err)
	}
	if !s.started {
		s.started = true
		h := s.w.Header()
		h.Set("Content-Type", ndjson)
		h.Set("X-Accel-Buffering", "no") // otherwise proxies that buffer responses delay the lines
		h["Content-Language"] = langNames[s.lang]
		s.w.WriteHeader(http.StatusOK)
	}
	out := http.NewResponseController(s.w)
	_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // writers of tests have no deadlines
	if _, err := s.w.Write(append(data, '\n')); err != nil {
		s.cancel()
		return
	}
	_ = out.Flush() // a writer that cannot flush sends the lines later
}
