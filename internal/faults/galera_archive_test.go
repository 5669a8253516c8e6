package faults

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
)

// archive archives sessions on one node while the application adds rows to them on another one, restores all of them on the third,
// and requires that every row that was committed is there, once, on all nodes.
func (g *galera) archive(count int) {
	policy := sessioncleanup.Policy{BusyShare: 1, BatchSize: 20, Archive: sessioncleanup.On}
	if err := g.store(0).Migrate(g.Context(), policy); err != nil {
		g.Fatal(err)
	}
	g.exec("DELETE FROM sessions")
	g.due(2 * count)
	// Notes of the rows would keep the sessions.
	g.exec(`DELETE FROM sessions WHERE name <> 'gone'; DROP TRIGGER sessioncleanup_messages_session_id_inserted; DELETE FROM sessioncleanup_touches;
		CREATE TRIGGER sessioncleanup_messages_session_id_inserted AFTER INSERT ON messages FOR EACH ROW SET @noted = FALSE`)
	ids, err := mysqltest.Texts(g.Context(), g.db, "SELECT id FROM sessions ORDER BY id", 0)
	if err != nil {
		g.Fatal(err)
	}
	var committed atomic.Int64
	stop := make(chan struct{})
	var application sync.WaitGroup
	for worker := range 2 {
		application.Go(func() {
			for n := range 10 * count { // without an end, the conflicts would have none
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf("late %d %d", worker, n)
				if _, err := g.db.ExecContext(g.Context(), "INSERT INTO messages (session_id, body) VALUES (?, ?)", ids[(n*7+worker)%len(ids)], body); err == nil {
					committed.Add(1)
				}
			}
		})
	}
	manager := func(node int) *sessioncleanup.Manager {
		m, err := sessioncleanup.New(g.store(node), sessioncleanup.Config{Policy: policy})
		if err != nil {
			g.Fatal(err)
		}
		return m
	}
	cleaner := manager(0)
	eventually(g.T, 3*time.Minute, "all sessions are archived", func() bool {
		if _, err := cleaner.Cleanup(g.Context(), sessioncleanup.Run{Force: true}); err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
			g.Fatal(err)
		}
		left, err := mysqltest.Texts(g.Context(), g.db, "SELECT COUNT(*) FROM sessions", 0)
		return err == nil && left[0] == "0"
	})
	close(stop)
	application.Wait()
	restorer := manager(1)
	eventually(g.T, 3*time.Minute, "all sessions are restored", func() bool {
		entries, err := restorer.Archived(g.Context(), sessioncleanup.ArchiveOptions{Limit: 50})
		if err != nil {
			g.Fatal(err)
		}
		var all []int64
		for _, e := range entries {
			all = append(all, e.ID)
		}
		if len(all) > 0 {
			if _, err := restorer.RestoreEntries(g.Context(), all, sessioncleanup.RestoreOptions{}); err != nil && !errors.Is(err, sessioncleanup.ErrUnavailable) {
				g.Fatal(err)
			}
		}
		return len(all) == 0
	})
	late := committed.Load()
	want := fmt.Sprintf("%d %d %d 0 0", len(ids), len(ids), late)
	for node := range g.Nodes {
		found, err := mysqltest.Texts(g.Context(), g.Open(node, "app"), `SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM sessions), COALESCE(SUM(body = 'hello'), 0), COUNT(DISTINCT CASE WHEN body LIKE 'late%' THEN body END),
			COUNT(*) - COUNT(DISTINCT id), COALESCE(SUM(session_id NOT IN (SELECT id FROM sessions)), 0)) FROM messages`, 0)
		if err != nil || found[0] != want {
			g.Errorf("node %d has the sessions, messages, late messages, messages twice and messages of no session %v, %v; want %s", node, found, err, want)
		}
	}
	g.Logf("%d sessions were archived and restored, with %d messages that were added meanwhile", len(ids), late)
	if late == 0 {
		g.Error("no message was added meanwhile: the test shows nothing")
	}
}
