package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// watched looks how long a store's batches hold their locks.
type watched struct {
	sessioncleanup.Store
	longest time.Duration
}

func (s *watched) Unwrap() sessioncleanup.Store { return s.Store }

func (s *watched) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	out, err := s.Store.Sweep(ctx, b)
	s.longest = max(s.longest, out.Held)
	return out, err
}

// BenchmarkArchive compares a run that archives with one that does not, on equal databases: of 30,000 sessions 12,000 are due
// for deletion, with 8 rows of another table each. It also restores sessions with 1,000 rows.
func BenchmarkArchive(b *testing.B) {
	server := benchServer(b, false)
	template := benchApp(b, server, true)
	count := scaled(30_000)
	mustExec(b, template, "ALTER TABLE propositions DISABLE TRIGGER USER")
	mustExec(b, template, `
		INSERT INTO sessions (id, name, active, created_at, last_activity, deactivated_at)
		SELECT n, 'session ' || n, n % 5 > 1, now() - interval '100 days', now() - CASE WHEN n % 5 > 1 THEN interval '1 hour' ELSE interval '70 days' END,
		       CASE WHEN n % 5 <= 1 THEN now() - interval '65 days' END
		  FROM generate_series(1, $1::int) n`, count)
	mustExec(b, template, "INSERT INTO propositions (session_id, title) SELECT n, 'a song' FROM generate_series(1, $1::int) n, generate_series(1, 8)", count)
	mustExec(b, template, "INSERT INTO sessions (id, name) SELECT -n, 'large' FROM generate_series(1, 5) n")
	mustExec(b, template, "INSERT INTO propositions (session_id, title) SELECT -n, 'a song' FROM generate_series(1, 5) n, generate_series(1, 1000)")
	mustExec(b, template, "ALTER TABLE propositions ENABLE TRIGGER USER")
	mustExec(b, template, "VACUUM ANALYZE")
	from := template.Config().ConnConfig.Database
	template.Close()
	mustEnd(b, server, from)
	var ratios, longest, restores []float64
	var last sessioncleanup.Result
	for b.Loop() {
		for range *rounds {
			var took [2]time.Duration
			for i, archive := range []sessioncleanup.Switch{sessioncleanup.Off, sessioncleanup.On} {
				store, err := postgres.New(connect(b, server.Database(b, from)+"&default_query_exec_mode=cache_statement"), postgres.Config{})
				if err != nil {
					b.Fatal(err)
				}
				watched := &watched{Store: store}
				manager, err := sessioncleanup.New(watched, sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: archive}})
				if err != nil {
					b.Fatal(err)
				}
				if last, err = manager.Cleanup(b.Context(), sessioncleanup.Run{Force: true}); err != nil {
					b.Fatal(err)
				}
				took[i] = last.Duration
				if archive == sessioncleanup.Off {
					continue
				}
				longest = append(longest, float64(watched.longest)/1e6)
				for _, id := range []string{"-1", "-2", "-3", "-4", "-5"} {
					if _, err := manager.Delete(b.Context(), id); err != nil {
						b.Fatal(err)
					}
					restores = append(restores, float64(timed(b, func(ctx context.Context) error {
						_, err := manager.Restore(ctx, []string{id}, sessioncleanup.RestoreOptions{})
						return err
					}))/1e6)
				}
			}
			ratios = append(ratios, float64(took[1])/float64(took[0]))
		}
	}
	b.ReportMetric(median(ratios), "archive/none")
	b.ReportMetric(median(longest), "longest-ms")
	b.ReportMetric(median(restores), "ms/restore")
	b.ReportMetric(float64(last.Deleted()), "sessions")
	b.ReportMetric(0, "ns/op")
}
