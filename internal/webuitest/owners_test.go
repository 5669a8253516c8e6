package webuitest

import (
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func TestAnAdminComesFromAnOwnerToItsSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	s.put("forgotten", "ann", "Forgotten", true, 3*day)
	s.put("hostile", "<b>é&x=1", hostile, true, time.Hour)
	for i := range 30 {
		s.put(fmt.Sprint("many", i), fmt.Sprintf("owner%02d", i), "Room", true, time.Hour)
	}
	b := newTab(t, look{keys: true})
	b.open(s.url, "admin")
	b.click("[data-to=owners]")
	b.until("$$('[data-owner]').length === 20 && location.hash === '#owners' && text('.lead').includes('33 owners') && $('[data-owner]').dataset.owner === 'ann'")
	b.until("text('[data-owner=ann]').includes('6 sessions') && text('[data-owner=ann] .legend').includes('Due to close 1') && text('[data-owner=ann]').includes('1 protected')")
	b.accessible("owners")
	b.save("owners")
	b.click(".foot .acts button:last-child")
	b.until("$$('[data-owner]').length === 13 && text('.foot').includes('Page 2')")
	b.fill("input[name=q]", "é&")
	b.until("$$('[data-owner]').length === 1")
	b.click("[data-owner] .name a")
	b.until("$$('.row').length === 1 && $('.row[data-id=hostile]') && text('h1').includes('All sessions of <B>É&X=1') && text('[data-whose]').includes('1 open')")
	b.open(s.url+"#owners?sort=-due", "admin")
	b.click("[data-owner=ann] [data-status=to_deactivate]")
	b.until("$$('.row').length === 1 && $('.row[data-id=forgotten]') && location.hash.includes('owner=ann') && text('[data-whose]').includes('4 open')")
	b.open(s.url+"#owners", "owner:ann")
	b.run(reload)
	b.until("$('session-manager-sessions') && !$('session-manager-owners')")
}

func TestTheSlidersSayWhatADryRunSays(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	s.put("forgotten", "ann", "Forgotten", true, 3*day)
	b := newTab(t, look{lang: "fr"})
	b.open(s.url, "admin")
	b.until("$('input[name=if_inactive_hours]') && !$('[data-whatif] [role=status]')")
	for _, step := range []struct {
		slider string
		hours  time.Duration
		days   int
		key    string
		says   string
	}{
		{"inactive_hours", 12 * time.Hour, 30, "ArrowLeft", "12 heures"}, {"delete_old_days", 12 * time.Hour, 21, "ArrowLeft", "21 jours"},
		{"inactive_hours", 24 * time.Hour, 21, "ArrowRight", "24 heures"}, {"delete_old_days", 24 * time.Hour, 30, "ArrowRight", "30 jours"},
	} {
		name := "input[name=if_" + step.slider + "]"
		js[any](b, fmt.Sprintf("($(%q).focus(), null)", name))
		b.run(arrows[step.key])
		b.until(fmt.Sprintf("$(%q).ariaValueText === %q && $('[data-whatif] [aria-busy=false]')", name, step.says))
		dry, err := s.manager.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true, InactiveAfter: step.hours, DeleteAfter: time.Duration(step.days) * day})
		if err != nil {
			t.Fatal(err)
		}
		said := func(what string) string {
			return "(m => m ? Number(m[1]) : 0)(text('[data-whatif] .result > strong').match(/(\\d+) \\S+ " + what + "/))"
		}
		b.until(fmt.Sprintf("%s === %d && %s === %d", said("fermée"), dry.Deactivated(), said("supprimée"), dry.Deleted()))
	}
	js[any](b, "($('input[name=if_delete_old_days]').focus(), null)")
	b.run(arrows["ArrowLeft"])
	b.click("[data-act=to-policy]")
	b.until("location.hash.includes('delete_old_days=21') && $('input[name=delete_old_days]')?.value === '21' && text('#would').includes('supprim')")
	if p := s.manager.Policy(); p.DeleteAfter != 30*day {
		t.Errorf("the sliders changed the policy: %v", p.DeleteAfter)
	}
}
