package webuitest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/chromedp/cdproto/emulation"

	"github.com/sessioncleanup/sessioncleanup"
)

// at is a store whose clock stands still.
type at struct {
	sessioncleanup.Store
	now time.Time
}

func (a at) Unwrap() sessioncleanup.Store { return a.Store }

func (a at) Now(context.Context) (time.Time, error) { return a.now, nil }

func (a at) List(ctx context.Context, q sessioncleanup.Query) (sessioncleanup.Page, error) {
	if q.Thresholds.Now.IsZero() {
		q.Thresholds.Now = a.now
	}
	return a.Store.List(ctx, q)
}

// The browser's clock is months away from the server's in these cases: the page shows the server's times, in its own zone.
func TestTheSentenceAndTheCardsSayTheSameTimes(t *testing.T) {
	t.Parallel()
	const tomorrow7 = "tomorrow at 7:10 AM|demain à 07:10"
	for name, c := range map[string]struct {
		zone, now       string
		closes, deletes time.Duration // from now
		closed, deleted string        // in both languages
	}{
		"just before midnight":     {"Europe/Paris", "2026-11-29T23:50:00", 7*time.Hour + 20*time.Minute, 26*time.Hour + 20*time.Minute, tomorrow7, "in 2 days|après-demain"},
		"just after midnight":      {"Europe/Paris", "2026-11-30T00:10:00", 7 * time.Hour, 7*day - time.Minute, "today at 7:10 AM|aujourd’hui à 07:10", "in 7 days|dans 7 jours"},
		"a day of 25 hours":        {"Europe/Paris", "2026-10-24T23:50:00", 8*time.Hour + 20*time.Minute, 49 * time.Hour, tomorrow7, "in 2 days|après-demain"},
		"a day of 23 hours":        {"Europe/Paris", "2026-03-28T23:50:00", 6*time.Hour + 20*time.Minute, 23*time.Hour + 20*time.Minute, tomorrow7, "in 2 days|après-demain"},
		"25 hours in New York":     {"America/New_York", "2026-10-31T20:40:00", 11*time.Hour + 30*time.Minute, 6 * day, tomorrow7, "in 6 days|dans 6 jours"},
		"23 hours in New York":     {"America/New_York", "2026-03-07T20:10:00", 10 * time.Hour, 6 * day, tomorrow7, "in 6 days|dans 6 jours"},
		"tomorrow is today there":  {"Pacific/Auckland", "2026-07-14T01:10:00", 6 * time.Hour, 3 * time.Hour, "today at 7:10 AM|aujourd’hui à 07:10", "in 3 hours|dans 3 heures"},
		"half an hour off":         {"Asia/Kolkata", "2026-01-31T22:40:00", 8*time.Hour + 30*time.Minute, 30 * time.Minute, tomorrow7, "in 30 minutes|dans 30 minutes"},
		"the time has come":        {"America/New_York", "2026-07-14T12:00:00", -time.Minute, -50 * time.Hour, "with the next cleanup|au prochain nettoyage", "with the next cleanup|au prochain nettoyage"},
		"this moment":              {"America/New_York", "2026-07-14T12:00:00", 0, 0, "with the next cleanup|au prochain nettoyage", "with the next cleanup|au prochain nettoyage"},
		"an hour minus one second": {"Europe/Paris", "2026-07-14T12:00:00", time.Hour - time.Second, 6*time.Hour - time.Second, "in 1 hour|dans 1 heure", "today at 5:59 PM|aujourd’hui à 17:59"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.ParseInLocation("2006-01-02T15:04:05", c.now, zone)
			if err != nil {
				t.Fatal(err)
			}
			s := newSite(t, archiving)
			s.kept.Store = at{s.store, now}
			put := func(id string, active bool, last time.Time) {
				s.put(id, "ann", id, active, time.Since(last), func(s *sessioncleanup.Session) {
					s.LastActivity = last
					if !active {
						s.DeactivatedAt = last
					}
				})
			}
			p := s.manager.Policy()
			slack := p.TouchInterval // thresholds are extended by it
			put("closes", true, now.Add(c.closes-p.InactiveAfter-slack))
			put("deletes", false, now.Add(c.deletes-p.DeleteAfter-slack))
			b := newTab(t, look{lang: "en", zone: c.zone})
			b.open(s.url, "owner:ann")
			b.until("$$('.row').length === 2 && $$('[data-soon]').length === 2")
			for i, words := range []string{"%d open, 1 closes %s, 1 is deleted %s.", "%d ouverte, 1 se ferme %s, 1 est supprimée %s."} {
				closed, deleted := strings.Split(c.closed, "|")[i], strings.Split(c.deleted, "|")[i]
				b.until(fmt.Sprintf("text('.sentence').replace(/\\s+/g, ' ') === %q", fmt.Sprintf(words, 1, closed, deleted)))
				for id, want := range map[string]string{"closes": closed, "deletes": deleted} {
					got := js[[]string](b, fmt.Sprintf("$$('[data-id=%s] .state time, [data-soon=%s] .state time').map(e => e.innerText.replace(/\\s+/g, ' '))", id, id))
					if len(got) != 2 || got[0] != want || got[1] != want {
						t.Errorf("the cards of the session that %s say %q, want %q", id, got, want)
					}
				}
				b.click("[data-act=lang]")
			}
			put("closes too", true, now.Add(time.Hour-p.InactiveAfter-slack))
			put("deletes too", false, now.Add(time.Hour-p.DeleteAfter-slack))
			b.run(reload)
			b.until("text('.sentence').replace(/\\s+/g, ' ') === '2 open, 2 close within 12 hours, 2 are deleted within 7 days.'")
		})
	}
}

// The forecast is for each 24 hours, so that "in 5 hours" and the table say the same about a session of tomorrow. Clocks change on
// March 29.
func TestTheForecastSaysUntilWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	now := time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC)
	s.kept.Store = at{s.store, now}
	s.put("closes", "ann", "Late show", true, time.Since(now.Add(-19*time.Hour)), func(s *sessioncleanup.Session) { s.LastActivity = now.Add(-19 * time.Hour) })
	b := newTab(t, look{zone: "Europe/Paris"})
	b.open(s.url, "admin")
	b.click("[data-chart=forecast] summary")
	const rows = "$$('[data-chart=forecast] tbody tr').map(e => e.innerText.replace(/\\s+/g, ' ').trim())"
	b.until(rows + "[0] === 'until Mar 30, 12:30 AM 1 0' && " + rows + "[1] === 'until Mar 31, 12:30 AM 0 0'")
	b.until("text('[data-chart=forecast] .axis').startsWith('until Mar 30')")
}

// Days are those of the calendar in the browser's zone, of 23 and 25 hours too.
func TestMomentsAreSaidByTheCalendarOfTheBrowsersZone(t *testing.T) {
	t.Parallel()
	build := exec.CommandContext(t.Context(), "../../webui/node_modules/.bin/esbuild", "../../webui/src/i18n.ts", "--bundle", "--format=iife", "--global-name=times")
	script, err := build.Output()
	if err != nil {
		t.Fatalf("%v: scripts/webui installs what builds the page", err)
	}
	b := newTab(t, look{})
	js[any](b, "(0, eval)("+quoted(string(script)+";globalThis.times = times")+"), null")
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns", "Africa/Cairo", "UTC"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		b.run(emulation.SetTimezoneOverride(name))
		var pairs [][2]int64
		for range 300 {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(365 * day)))).Unix()
			away := 6*3600 + random.Int64N(10*24*3600)
			pairs = append(pairs, [2]int64{now, now + away}, [2]int64{now, now - away})
		}
		said := js[[]string](b, fmt.Sprintf(`{ let now; const words = new times.Words("en", () => now);
			(%s).map(([then, at]) => { now = then * 1000; return words.when(new Date(at * 1000)).replace(/\s+/g, " "); }) }`, quoted(pairs)))
		for i, p := range pairs {
			now, when := time.Unix(p[0], 0).In(zone), time.Unix(p[1], 0).In(zone)
			if want := saidOf(when, now); said[i] != want {
				t.Fatalf("%s: at %v, %v is %q, want %q", name, now, when, said[i], want)
			}
		}
	}
}

// saidOf is a moment more than six hours away, as the page says it.
func saidOf(when, now time.Time) string {
	date := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	days := int(date(when).Sub(date(now)) / day)
	switch {
	case days == 0:
		return "today at " + when.Format("3:04 PM")
	case days == 1:
		return "tomorrow at " + when.Format("3:04 PM")
	case days == -1:
		return "yesterday at " + when.Format("3:04 PM")
	case days > 0 && days <= 7:
		return fmt.Sprintf("in %d days", days)
	case days < 0 && days >= -7:
		return fmt.Sprintf("%d days ago", -days)
	case when.Year() != now.Year():
		return "on " + when.Format("January 2, 2006")
	default:
		return "on " + when.Format("January 2")
	}
}
