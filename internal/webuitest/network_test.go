package webuitest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// A proxy's page in place of a response, or half a response, must leave the page as one that cannot be reached does.
func TestAnAnswerThatIsNoneIsAsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"a page": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><h1>Welcome</h1>")
		},
		"nothing": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
		"half of one": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"success":true,"sess`)
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, archiving)
			s.annsSessions()
			var works atomic.Bool
			broken := func(w http.ResponseWriter, r *http.Request) bool {
				if works.Load() && r.Method == http.MethodGet {
					return false
				}
				works.Store(false)
				answer(w)
				return true
			}
			s.between.Store(&broken)
			b := newTab(t, look{})
			b.open(s.url, "owner:ann")
			b.until("root()?.textContent.includes('cannot be reached')") // at the start
			works.Store(true)
			b.until("$('.row[data-id=live]') && !$('.banner') && text('.sentence').includes('3 open')") // by itself
			b.click(row("live", "deactivate"))
			b.until("root()?.textContent.includes('cannot be reached') && $('.row[data-id=live]')")
			s.between.Store(nil)
			b.until("!$('.banner') && $('.row[data-id=live]')")
		})
	}
}

// A question that another one replaces is not waited for: its request ends.
func TestTheNewestQuestionIsAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ view, route, field, slow, fast, seen string }{
		{"archive", "/archive", "session", "one", "two", "$$('.row').length === 1 && $('[data-entry=two]')"},
		{"log", "/events", "session", "one", "two", "text('section').includes('session two') && !text('section').includes('session one')"},
		{"owners", "/owners", "q", "ann", "bob", "$$('[data-owner]').length === 1 && $('[data-owner=bob]')"},
		{"sessions", "/view", "q", "Friday", "Chill", "$$('.row').length === 1 && $('[data-id=closing]')"},
	} {
		t.Run(c.view, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, archiving)
			s.annsSessions()
			for _, id := range []string{"one", "two"} {
				s.put(id, "ann", "session "+id, true, time.Hour)
				if _, err := s.manager.As(sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin}).Delete(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			b := newTab(t, look{})
			b.open(s.url+"#"+c.view, "admin")
			b.until("$('.pulse.on') && $('[name=" + c.field + "]')")
			var late, ended atomic.Int32
			hold := func(_ http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, c.route) || r.URL.Query().Get(c.field) != c.slow {
					return false
				}
				late.Add(1)
				<-r.Context().Done()
				ended.Add(1)
				return true
			}
			s.between.Store(&hold)
			set := func(value string) {
				js[any](b, `(() => { const e = $('[name=`+c.field+`]'); e.value = "`+value+`"; for (const k of ["input", "change"]) e.dispatchEvent(new Event(k, {bubbles: true})); return null; })()`)
			}
			set(c.slow)
			for late.Load() == 0 {
				b.until("true")
			}
			set(c.fast)
			b.until(c.seen)
			for ended.Load() < late.Load() { // the server need not go on
				b.until("true")
			}
			if !js[bool](b, "!!("+c.seen+")") {
				t.Errorf("the page does not show the answer to %q any more", c.fast)
			}
		})
	}
}

// The stream's end tells the page that a server stops, and the first response that it is back. The page does not wait until it would
// ask without a stream, which this test makes never.
func TestAServerThatStopsIsMissedAtOnceAndWatchedAgainWhenItIsBack(t *testing.T) {
	t.Parallel()
	stopping, stop := context.WithCancel(t.Context())
	s := newSite(t, archiving, func(o *httpapi.Options) { o.Context = stopping })
	s.annsSessions()
	b := newTab(t, look{})
	b.without(pollEvery, freshEvery)
	b.open(s.url, "owner:ann")
	b.until("$('.row[data-id=live]') && $('.pulse.on')")
	s.down.Store(true)
	stop()
	b.until("text('.banner').includes('cannot be reached') && !$('.pulse.on') && $('.stale .row[data-id=live]')")

	again := newSite(t, archiving)
	again.annsSessions()
	again.put("new", "ann", "Opened meanwhile", true, time.Minute)
	back := func(w http.ResponseWriter, r *http.Request) bool {
		again.api.ServeHTTP(w, r)
		return true
	}
	s.between.Store(&back)
	b.until("!$('.banner') && !$('.stale') && $('.row[data-id=new]') && $('.pulse.on')")
	again.put("newer", "ann", "Opened since", true, time.Second)
	if _, err := again.manager.Deactivate(t.Context(), "live"); err != nil {
		t.Fatal(err)
	}
	b.until("$('.row[data-id=newer]') && $('.row[data-id=live] .closed')") // through the stream
}

func TestImpatientClicksOnASlowNetworkDoNothingMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "owner:ann")
	b.until("$('.row[data-id=live]')")
	var asked atomic.Int32
	release := make(chan struct{})
	slow := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			asked.Add(1)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		return false
	}
	s.between.Store(&slow)
	for range 3 {
		b.click(row("live", "delete"))
	}
	b.until("$(\"" + row("live", "delete") + "\").ariaBusy")
	close(release)
	b.until("$('dialog[open]') && $$('dialog').length === 1")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests for three clicks, want 1", n)
	}
	b.run(escape)
	b.until("!$('dialog') && !$(\"" + row("live", "delete") + "\").ariaBusy")
}

// Where a response takes longer than the time between news, the page shows it all the same, and does not ask ever more.
func TestASlowServerIsNotAskedForEachNews(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	var open, most, asked atomic.Int32
	slow := func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/view") {
			asked.Add(1)
			n := open.Add(1)
			defer open.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
		}
		return false
	}
	b := newTab(t, look{})
	b.open(s.url, "owner:ann")
	b.until("$('.row[data-id=live]') && $('.pulse.on')")
	s.between.Store(&slow)
	stop := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				_, _ = s.manager.Deactivate(t.Context(), "closing")
				_, _ = s.manager.Reactivate(t.Context(), "closing")
			}
		}
	}()
	t.Cleanup(func() { close(stop) })
	s.put("new", "ann", "Newest of all", true, time.Minute)
	b.until("$('.row[data-id=new]')")
	for asked.Load() < 4 {
		b.until("true")
	}
	if most.Load() > 1 {
		t.Errorf("%d requests for the list at a time, want 1", most.Load())
	}
}
