package mysql_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/mysqltest"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

func TestInspectNamesColumnsThatCouldBeTags(t *testing.T) {
	t.Parallel()
	d := mysqltest.New(t)
	execute(t, d.DB, `CREATE TABLE sessions (id INT PRIMARY KEY, plan VARCHAR(50), room_kind ENUM ('chat', 'poll', 'quiz'), category TEXT, tier VARCHAR(10));
		INSERT INTO sessions SELECT seq, CASE seq % 3 WHEN 0 THEN 'gold' WHEN 1 THEN 'Free' END, IF(seq > 20, 'poll', 'chat'), CONCAT('c', seq), 'one' FROM seq_1_to_40`)
	var log strings.Builder
	schema, err := open(t, d, mysql.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Inspect(t.Context())
	if err != nil || schema.TagColumns != nil {
		t.Errorf("Inspect adopts the tag columns %q, %v; want none", schema.TagColumns, err)
	}
	for _, want := range []string{"column plan has few values: to have rules for the tags plan:free, plan:gold, add", "the tags room_kind:chat, room_kind:poll, add"} {
		if !strings.Contains(log.String(), want) || strings.Count(log.String(), "few values") != 2 {
			t.Errorf("the log says %q, want %q", log.String(), want)
		}
	}
}
