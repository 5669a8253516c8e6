package notify

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestOwnersAreRemindedAndToldWhatWasDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		used := time.Now().Add(-61 * ownersDay)
		for _, id := range []string{"1", "2"} {
			if err := store.Put(sessioncleanup.Session{ID: id, Name: "room " + id, OwnerID: "ann", AutoCleanup: true, LastActivity: used, DeactivatedAt: used}); err != nil {
				t.Fatal(err)
			}
		}
		before, reminders, err := sessioncleanup.ParseWarnings("SESSION_WARN_DAYS", "30,7,1")
		if err != nil {
			t.Fatal(err)
		}
		m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{
			DeleteAfter: 60 * ownersDay, WarnBefore: before, Archive: sessioncleanup.On, InactiveAfter: sessioncleanup.Never,
		}})
		if err != nil {
			t.Fatal(err)
		}
		box := &mailbox{}
		o := &Owners{Manager: m, Store: store, Channel: box, Reminders: reminders, Page: "https://app.example.com/rooms"}
		started := time.Now()
		type told struct {
			day      int
			kind     string
			sessions int
		}
		var got []told
		for day := range 40 {
			if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
				t.Fatal(err)
			}
			if day == 10 {
				box.fail = func(Message) error { return &Error{Channel: "mailbox", Err: errors.New("down")} }
			}
			if day == 26 { // the channel was down when the reminder for 7 days was due
				box.fail = nil
			}
			deliverAll(t, o)
			for _, message := range box.got {
				n := told{day: day, kind: strings.TrimPrefix(message.Type, "sessions.")}
				switch d := message.Data.(type) {
				case ownerDetails:
					n.sessions = d.Total
					if at := d.Sessions[0].DeleteAt; at.Sub(started).Round(time.Hour) != 30*ownersDay {
						t.Errorf("on day %d the deletion is said to be at %v", day, at)
					}
				case deletionDetails:
					n.sessions = d.Total
					if until := d.Sessions[0].RestoreUntil; !until.Equal(d.Sessions[0].DeletedAt.Add(30*ownersDay)) || !d.Restorable || !strings.Contains(message.Text, "can be restored until "+until.UTC().Format("2006-01-02 15:04")) {
						t.Errorf("the message says %+v\n%s", d, message.Text)
					}
				}
				got = append(got, n)
			}
			box.got = nil
			if day == 28 {
				if err := m.Touch(t.Context(), "2"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(ownersDay)
		}
		want := []told{{0, "deletion_ahead", 2}, {26, "deletion_ahead", 2}, {29, "deletion_ahead", 1}, {30, "deleted", 1}}
		if len(got) != len(want) {
			t.Fatalf("the owner was told %+v, want %+v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("the owner was told %+v, want %+v", got[i], want[i])
			}
		}
	})
}

func TestRemindersFollowTheWarning(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"7,7", "1,7", "7,never", "never,1", "7,0", "7,", "30,1,7"} {
		if before, reminders, err := sessioncleanup.ParseWarnings("SESSION_WARN_DAYS", wrong); err == nil {
			t.Errorf("%q: %v, %v", wrong, before, reminders)
		}
	}
	store, m := due(t, 1, 1)
	o := &Owners{Manager: m, Store: store, Channel: &mailbox{}, Reminders: []time.Duration{8 * ownersDay}}
	if _, err := o.Deliver(t.Context()); err == nil {
		t.Error("a reminder before the warning is accepted")
	}
}

func TestAWarningNamesTheRuleThatDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Config{})
		used := time.Now().Add(-95 * ownersDay)
		for id, tags := range map[string][]string{"1": {"vip"}, "2": {"other"}} {
			if err := store.Put(sessioncleanup.Session{ID: id, OwnerID: "ann", AutoCleanup: true, LastActivity: used, DeactivatedAt: used, Tags: tags}); err != nil {
				t.Fatal(err)
			}
		}
		m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{
			WarnBefore: 7 * ownersDay, Rules: "vip: delete=90d", MaxDeleteFraction: 1,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Fatal(err)
		}
		box := &mailbox{}
		deliverAll(t, &Owners{Manager: m, Store: store, Channel: box})
		if len(box.got) != 1 {
			t.Fatalf("%d messages, want one", len(box.got))
		}
		if n := strings.Count(box.got[0].Text, " or later (tag vip)\n"); n != 1 || strings.Contains(box.got[0].Text, "tag other") {
			t.Errorf("the rule is named %d times, want once:\n%s", n, box.got[0].Text)
		}
	})
}
