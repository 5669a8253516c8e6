package bench

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// The flags of the measurement of a large table; see docs/page.md.
var (
	scale    = flag.Int("scale", 2000, "sessions of TestScale")
	scaleURL = flag.String("scale-url", "", "a database for one of the engines of TestScale, a file for SQLite, filled when it is empty; default: one of its own")
)

// TestScale measures what the page asks of a large table: its first view, each list, at its start and deep in it, the
// figures, a dry run and a change of many sessions. It logs milliseconds: the median of seven, the slowest, and the CPU
// time of this process, which SQLite works in, for each.
func TestScale(t *testing.T) {
	for _, engine := range []func(*testing.T, Options) *engine{newPostgres, newSQLite} {
		e := engine(t, Options{Sizes: Full})
		t.Run(e.name, func(t *testing.T) {
			address := *scaleURL
			if address == "" {
				address = e.copy(t, "")
			}
			b := e.connect(t, address)
			b.fillScale(t, *scale)
			check(t, b.manager.Migrate(t.Context()))
			t.Run("first view", b.firstViews)
			t.Run("lists", b.scaleLists)
			t.Run("figures", b.scaleFigures)
			t.Run("bulk", b.scaleBulk)
		})
	}
}

// fillScale makes the tables and their sessions, unless they are there.
func (b *bed) fillScale(t *testing.T, sessions int) {
	t.Helper()
	var n int
	if b.db.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&n) == nil {
		return
	}
	began := time.Now()
	b.exec(t, fmt.Sprintf("CREATE TABLE layout AS SELECT %d AS sessions", sessions))
	b.script(t, "scale")
	b.exec(t, b.vacuum)
	t.Logf("filled in %v", time.Since(began).Round(time.Second))
}

// firstViews measures what the page asks when it is opened: who is there, then all at once, as far as it waits for that.
// The first time nothing is counted yet, and how long the figures take is measured afterwards.
func (b *bed) firstViews(t *testing.T) {
	admin, owner := sessioncleanup.Principal{ID: "a", Role: sessioncleanup.RoleAdmin}, sessioncleanup.Principal{ID: "8", Role: sessioncleanup.RoleOwner}
	list := "/view?sort=-last_activity&limit=20"
	for _, view := range []struct {
		name    string
		who     sessioncleanup.Principal
		timeout time.Duration
		paths   []string
	}{
		{"all sessions", admin, 0, []string{"/summary", list}},
		{"figures, after that", admin, time.Hour, []string{"/stats"}},
		{"overview of an admin", admin, 0, []string{"/summary", "/stats"}},
		{"an owner's sessions", owner, 0, []string{"/summary", list}},
		{"analytics", admin, time.Hour, []string{"/analytics"}},
	} {
		server := b.serve(t, view.who, view.timeout)
		open := func() error {
			get(t, server, httpapi.DefaultPrefix+"/me")
			var all sync.WaitGroup
			for _, path := range view.paths {
				all.Go(func() { get(t, server, httpapi.DefaultPrefix+path) })
			}
			all.Wait()
			return nil
		}
		once(t, view.name+", for the first time", open)
		measure(t, view.name, open)
	}
}

// serve serves the API to one caller, with the timeout that is the default, or a longer one.
func (b *bed) serve(t *testing.T, who sessioncleanup.Principal, timeout time.Duration) *httptest.Server {
	t.Helper()
	api, err := httpapi.New(b.manager, httpapi.Options{
		Authenticate: func(*http.Request) (sessioncleanup.Principal, error) { return who, nil },
		Timeout:      timeout,
	})
	check(t, err)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return server
}

func (b *bed) scaleLists(t *testing.T) {
	for _, status := range append(sessioncleanup.Statuses(), "") {
		for _, filter := range []sessioncleanup.ListOptions{{}, {OwnerID: "7"}, {OwnerID: "8"}, {Text: "session 00"}, {Text: "nowhere"}} {
			for _, descending := range []bool{false, true} {
				filter.Status, filter.Descending, filter.Limit = status, descending, 20
				measureList(t, b.manager, filter)
			}
		}
	}
	for _, sort := range []sessioncleanup.Sort{sessioncleanup.SortCreated, sessioncleanup.SortName} { // offered for one owner only
		measureList(t, b.manager, sessioncleanup.ListOptions{OwnerID: "8", Sort: sort, Limit: 20})
	}
}

func (b *bed) scaleFigures(t *testing.T) {
	measure(t, "summary", func() error { _, err := b.manager.Outlook(t.Context(), ""); return err })
	measure(t, "figures", func() error { _, err := b.manager.Stats(t.Context(), ""); return err })
	measure(t, "an owner's figures", func() error { _, err := b.manager.Stats(t.Context(), "8"); return err })
	measure(t, "dry run", func() error {
		_, err := b.manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true})
		return err
	})
	measure(t, "dry run of an owner", func() error {
		_, err := b.manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true, Filter: sessioncleanup.Filter{OwnerID: "8"}})
		return err
	})
	once(t, "dry run, with most sessions due", func() error {
		_, err := b.manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true, InactiveAfter: time.Hour, DeleteAfter: 24 * time.Hour})
		return err
	})
}

// scaleBulk counts the sessions of the batch, and protects them and ends that.
func (b *bed) scaleBulk(t *testing.T) {
	o := sessioncleanup.Bulk{Action: sessioncleanup.BulkProtect, Text: "batch", DryRun: true}
	var res sessioncleanup.BulkResult
	bulk := func() (err error) {
		res, err = b.manager.Bulk(t.Context(), o)
		return err
	}
	once(t, "count what a bulk change would change", bulk)
	o.DryRun, o.Expected = false, res.Matching
	for _, o.Action = range []sessioncleanup.BulkAction{sessioncleanup.BulkProtect, sessioncleanup.BulkUnprotect} {
		last, longest := time.Now(), time.Duration(0)
		o.Progress = func(int, int) error {
			longest, last = max(longest, time.Since(last)), time.Now()
			return nil
		}
		once(t, fmt.Sprintf("%s %d sessions", o.Action, o.Expected), bulk)
		if res.Done != o.Expected {
			t.Errorf("%s: %d of %d done: %+v", o.Action, res.Done, o.Expected, res)
		}
		t.Logf("%8.1f  the longest time without progress", ms(longest))
	}
}

// measureList measures the first page of a list, and one in its depth.
func measureList(t *testing.T, m *sessioncleanup.Manager, o sessioncleanup.ListOptions) {
	t.Helper()
	name := strings.TrimSpace(fmt.Sprintf("list status=%s owner=%s text=%q by %s descending=%t", o.Status, o.OwnerID, o.Text, o.Sort, o.Descending))
	page := func() error { _, err := m.List(t.Context(), o); return err }
	measure(t, name, page)
	for range 30 {
		deep := o
		deep.Limit = sessioncleanup.MaxPage
		p, err := m.List(t.Context(), deep)
		check(t, err)
		if p.Next == "" {
			return
		}
		o.Cursor = p.Next
	}
	measure(t, name+" deep", page)
}

// measure prints how long something takes.
func measure(t *testing.T, what string, do func() error) {
	t.Helper()
	var took []time.Duration
	before := cpu(t)
	for len(took) < 7 && (len(took) < 3 || took[0] < 2*time.Second) {
		began := time.Now()
		check(t, do())
		took = append(took, time.Since(began))
	}
	each := (cpu(t) - before) / time.Duration(len(took))
	slices.Sort(took)
	t.Logf("%8.1f %8.1f %8.1f  %s", ms(took[len(took)/2]), ms(took[len(took)-1]), ms(each), what)
}

// once is measure for what is not repeated.
func once(t *testing.T, what string, do func() error) {
	t.Helper()
	before, began := cpu(t), time.Now()
	check(t, do())
	t.Logf("%8.1f %8s %8.1f  %s", ms(time.Since(began)), "", ms(cpu(t)-before), what)
}

// cpu is the CPU time of this process so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	check(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
