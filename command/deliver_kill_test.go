package command

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// killer is a receiver of warnings that kills the sender while it gets a message, before or after it answers.
type killer struct {
	mu     sync.Mutex
	sender *os.Process // nil: nobody is killed
	answer bool        // before it kills
	after  int         // messages that it takes first
	got    map[string][]string
	times  int // messages that came
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Data struct {
			Details struct{ Sessions []struct{ ID string } }
		}
	}
	err := json.NewDecoder(r.Body).Decode(&message)
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for _, s := range message.Data.Details.Sessions {
		ids = append(ids, s.ID)
	}
	id := r.Header.Get("webhook-id")
	if before := k.got[id]; err != nil || id == "" || before != nil && !slices.Equal(before, ids) {
		http.Error(w, "another message under the same id", http.StatusTeapot)
		k.got[""] = ids
		return
	}
	k.got[id] = ids
	if k.times++; k.times <= k.after || k.sender == nil {
		return
	}
	if k.answer {
		w.WriteHeader(http.StatusNoContent)
		_ = http.NewResponseController(w).Flush()
	}
	_ = k.sender.Kill()
}

func TestAKilledSenderLosesNoWarning(t *testing.T) {
	t.Parallel()
	u, s := backlog(t)
	s.exec(t, "UPDATE sessions SET streamer_id = 7 + (id % 3 = 0) WHERE id >= 1000")
	u.vars[sessioncleanup.EnvWarnDays] = "7"
	u.calls("migrate").want(t, exitDone)
	u.calls("cleanup").want(t, exitDone, "put into the outbox warnings of 201")
	k := &killer{got: map[string][]string{}}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	channel := "webhook+" + server.URL + "#private=allow&secret=whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="
	vars := []string{envDatabase + "=" + s.url, sessioncleanup.EnvWarnDays + "=7", envNotifyOwners + "=" + channel}
	for _, step := range []struct {
		answer bool
		after  int
	}{{false, 0}, {true, 0}, {false, 1}} {
		cmd := process(t, u.dir, vars, "deliver")
		k.mu.Lock() // so that it knows whom to kill
		err := cmd.Start()
		k.sender, k.answer, k.after, k.times = cmd.Process, step.answer, step.after, 0
		k.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("the sender was not killed: %v", cmd.ProcessState)
		}
		s.exec(t, "UPDATE sessioncleanup_leases SET expires_at = '2000-01-01 00:00:00.000'") // two minutes later
	}
	k.mu.Lock()
	k.sender = nil
	k.mu.Unlock()
	if got := finish(t, process(t, u.dir, vars, "deliver")); got.code != exitDone {
		t.Fatalf("deliver: %+v", got)
	}
	told := map[string]int{}
	for _, ids := range k.got {
		for _, id := range ids {
			told[id]++
		}
	}
	if k.got[""] != nil || len(told) != 201 {
		t.Errorf("%d sessions are in the messages, want 201, and each message always the same: %v", len(told), k.got[""])
	}
	for id, n := range told {
		if n != 1 {
			t.Errorf("session %s is in %d messages", id, n)
		}
	}
	if n := s.count(t, "SELECT count(*) FROM sessioncleanup_notices WHERE delivered_at IS NOT NULL AND next_at IS NULL"); n != 201 {
		t.Errorf("%d warnings are delivered, want 201", n)
	}
}
