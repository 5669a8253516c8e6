package mysql_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// BenchmarkNothingDue runs and asks while nothing is due of many sessions: in use, closed lately, protected, and kept by a rule.
func BenchmarkNothingDue(b *testing.B) {
	count := scaled(1_000_000)
	d := mysqltest.New(b)
	execute(b, d.DB, benchTables)
	store := open(b, d, mysql.Config{})
	policy := sessioncleanup.Policy{BusyShare: 1, Rules: "vip: inactive=never delete=never"}
	manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: policy})
	if err == nil {
		err = manager.Migrate(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	execute(b, d.DB, fmt.Sprintf(`SET GLOBAL innodb_buffer_pool_size = 1024 * 1024 * 1024; SET @sessioncleanup_own = 1, @now = UTC_TIMESTAMP(), @old = UTC_TIMESTAMP() - INTERVAL 90 DAY;
		INSERT INTO sessions (id, streamer_id, name, active, auto_cleanup, last_activity, deactivated_at)
			SELECT seq, seq %% 1000, CONCAT('session ', seq), seq %% 2, seq %% 10 <> 3, IF(seq %% 10 >= 2, @now, @old), IF(seq %% 2, NULL, @now) FROM seq_1_to_%[1]d;
		UPDATE sessions SET auto_cleanup = FALSE WHERE id %% 10 = 1;
		INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions WHERE id %% 10 = 5;
		UPDATE sessions SET last_activity = @old WHERE id %% 10 = 5;
		SET @sessioncleanup_own = NULL; ANALYZE TABLE sessions`, count))
	if _, err := manager.Cleanup(b.Context(), sessioncleanup.Run{}); err != nil { // classes them
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"run", func() error {
			r, err := manager.Cleanup(b.Context(), sessioncleanup.Run{})
			if err == nil && r.Deleted()+r.Deactivated() != 0 {
				err = fmt.Errorf("the run did %+v, want nothing", r.Phases)
			}
			return err
		}},
		{"dry_run", func() error {
			_, err := manager.Cleanup(b.Context(), sessioncleanup.Run{DryRun: true})
			return err
		}},
		{"figures", func() error {
			_, err := store.Counts(b.Context(), sessioncleanup.CountsQuery{Thresholds: policy.WithDefaults().Thresholds()})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			const times = 5
			for b.Loop() {
				var took []float64
				before := cpu(b, d.DB)
				for range times {
					started := time.Now()
					if err := c.do(); err != nil {
						b.Fatal(err)
					}
					took = append(took, ms(time.Since(started)))
				}
				b.ReportMetric((cpu(b, d.DB)-before)*1000/times, "CPU-ms")
				b.ReportMetric(median(took), "ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
