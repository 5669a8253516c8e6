package webuitest

import (
	"context"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

// large makes the sessions so many that counting them lasts until it is released; what is due is then counted at once, too.
type large struct {
	sessioncleanup.Store
	counted chan struct{}
}

func (l large) Unwrap() sessioncleanup.Store { return l.Store }

func (l large) Counts(ctx context.Context, q sessioncleanup.CountsQuery) (sessioncleanup.Counts, error) {
	if err := l.wait(ctx); err != nil {
		return sessioncleanup.Counts{}, err
	}
	return l.Store.Counts(ctx, q)
}

func (l large) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if q.CountUpTo > 2000 { // a summary counts up to 1000
		if err := l.wait(ctx); err != nil {
			return sessioncleanup.Page{}, err
		}
	}
	return l.Store.List(ctx, q)
}

func (l large) wait(ctx context.Context) error {
	select {
	case <-l.counted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestThePageShowsWhatItKnowsWhileTheRestIsCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving, func(o *httpapi.Options) { o.Timeout = 0 }) // the default
	s.annsSessions()
	counted := make(chan struct{})
	s.kept.Store = large{s.store, counted}
	b := newTab(t, look{lang: "en"})
	b.open(s.url, "admin")
	b.until("$('[data-counting]') && $('#simulate') && !$('.tiles')")
	b.save("counting overview")
	js[any](b, "(location.hash = '#sessions', null)")
	b.until("$$('.row').length === 6 && !$('[role=alert]')")
	js[any](b, "(location.hash = '#policy', null)")
	b.until("$('input[name=inactive_hours]')?.value === '24' && text('#would').startsWith('Counting what the next cleanup would do')")
	b.save("counting policy")
	b.fill("input[name=delete_old_days]", "20")
	b.until("$('#would[aria-busy=true]')")
	close(counted)
	b.until("text('#would').startsWith('With the next cleanup: 1 would be deleted')")
	js[any](b, "(location.hash = '#overview', null)")
	b.until("$('.tiles') && !$('[data-counting]')")
}
