// Command dashboard writes the Grafana dashboard of sessioncleanup to standard output. It is a module of its own, so that
// nobody else depends on Grafana's builders.
//
//	go run . > ../dashboard.json    # in this directory
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	board, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(board); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

// series is an expression with its name in the legend. In an expression, metric{} selects the job that is chosen in the
// dashboard.
type series struct{ expr, legend string }

// panel is one of the dashboard's, in words. Several instances of serve have the same figures, so the expressions take the max.
type panel struct {
	title, description, unit string
	number                   bool // one number, not a graph
	series                   []series
}

type row struct {
	title  string
	panels []panel
}

func rows() []row {
	return []row{
		{"Health", []panel{
			{"Since the last success", "Alerts after two intervals of the schedule.", "s", true,
				[]series{{`time() - max(sessioncleanup_last_success_timestamp_seconds{})`, ""}}},
			{"Last run", "1 is the outcome of the last run over all sessions.", "short", true,
				[]series{{`max by (outcome) (sessioncleanup_last_run{})`, "{{outcome}}"}}},
			{"Database answers", "", "bool_yes_no", true, []series{{`min(sessioncleanup_database_up{})`, ""}}},
			{"Cleanups allowed", "", "bool_yes_no", true, []series{{`min(sessioncleanup_enabled{})`, ""}}},
			{"Scheduled run is late by", "", "s", true, []series{{`max(sessioncleanup_run_overdue_seconds{})`, ""}}},
			{"Cleanup is paused for", "", "s", true, []series{{`max(clamp_min(sessioncleanup_paused_until_timestamp_seconds{} - time(), 0))`, ""}}},
			{"Last backup failed", "Sessions are archived, and not purged without a backup.", "bool_yes_no", true, []series{{`max(sessioncleanup_last_run_backup_failed{})`, ""}}},
			{"Clocks differ by", "Up to 10 minutes count as none.", "s", true, []series{{`max(abs(sessioncleanup_clock_difference_seconds{}))`, ""}}},
		}},
		{"Sessions", []panel{
			{"Sessions by state", "", "short", false, []series{
				{`max by (state) (sessioncleanup_sessions{})`, "{{state}}"}, {`max(sessioncleanup_sessions_protected{})`, "protected"},
				{`max(sessioncleanup_sessions_old{})`, "old"}, {`max(sessioncleanup_sessions_never_due{})`, "never due"},
			}},
			{"Changed per day", "What happened to sessions within the last 24 hours, by anybody.", "short", false, []series{
				{`max by (action) (increase(sessioncleanup_session_changes_total{}[1d]))`, "{{action}}"},
			}},
			{"Due now", "", "short", false, []series{{`max by (phase) (sessioncleanup_sessions_due{})`, "{{phase}}"}}},
			{"Due now by tag", "Of the tags that have a rule in the policy.", "short", false, []series{{`max by (tag, phase) (sessioncleanup_sessions_tagged_due{})`, "{{tag}}: {{phase}}"}}},
			{"Sessions by tag", "Of the tags that have a rule in the policy.", "short", false, []series{{`max by (tag, state) (sessioncleanup_sessions_tagged{})`, "{{tag}}: {{state}}"}}},
			{"In use", "Sessions used within the threshold of inactivity, and within twice as long: normally about half as many, and hardly any when use is not recorded any more.", "short", false, []series{
				{`max(sessioncleanup_sessions_in_use{})`, "in use"}, {`max(sessioncleanup_sessions_recent{})`, "recently"},
			}},
			{"Longest overdue", "For how long the session that is due the longest has been due.", "s", false, []series{
				{`max(sessioncleanup_oldest_overdue_seconds{})`, "longest overdue"}, {`max(sessioncleanup_schedule_interval_seconds{})`, "interval of runs"},
			}},
		}},
		{"Runs", []panel{
			{"How long runs took", "Of the runs of the last 24 hours.", "s", false, quantiles("sessioncleanup_run_duration_seconds")},
			{"How long runs held locks", "The longest transaction of each run of the last 24 hours.", "s", false, quantiles("sessioncleanup_run_longest_lock_seconds")},
			{"Runs per day", "", "short", false, []series{{`max by (outcome) (increase(sessioncleanup_runs_total{}[1d]))`, "{{outcome}}"}}},
			{"Failures per day", "Sessions that runs could not change, or left for the next one.", "short", false, []series{
				{`max by (phase) (increase(sessioncleanup_session_failures_total{}[1d]))`, "failed: {{phase}}"},
				{`max by (phase) (increase(sessioncleanup_session_skips_total{}[1d]))`, "skipped: {{phase}}"},
				{`max(sessioncleanup_last_run_failures{})`, "failed in the last run"},
			}},
		}},
		{"Warnings to owners, and notices to operators", []panel{
			{"Warnings", "Of sessions that are due for deletion, with a policy that warns.", "short", false, []series{
				{`max(sessioncleanup_sessions_waiting{})`, "sessions that wait"}, {`max(sessioncleanup_outbox_pending{})`, "on their way"},
				{`max(sessioncleanup_outbox_undeliverable{})`, "given up"},
			}},
			{"Oldest warning on its way", "Alerts after 26 hours.", "s", false, []series{{`max(sessioncleanup_outbox_oldest_seconds{})`, "oldest"}}},
			{"Notices to operators per day", "", "short", false, []series{
				{`max by (channel, outcome) (increase(sessioncleanup_notices_total{}[1d]))`, "{{channel}}: {{outcome}}"},
			}},
		}},
		{"Archive, and what this costs", []panel{
			{"Sessions in the archive", "", "short", false, []series{{`max(sessioncleanup_archive_entries{})`, "entries"}}},
			{"Size of the archive", "", "bytes", false, []series{{`max(sessioncleanup_archive_bytes{})`, "bytes"}}},
			{"Reading the figures takes", "", "s", false, []series{{`max(sessioncleanup_reading_duration_seconds{})`, "reading"}}},
		}},
	}
}

func quantiles(metric string) []series {
	of := func(q string) string {
		return `histogram_quantile(` + q + `, max by (le) (increase(` + metric + `_bucket{}[1d])))`
	}
	return []series{{of("0.5"), "median"}, {of("0.95"), "95 %"}}
}

var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}

// build makes the dashboard as JSON.
func build() ([]byte, error) {
	//nolint:staticcheck // the schema that every version of Grafana imports; its successor's needs the newest
	board := dashboard.NewDashboardBuilder("sessioncleanup").Uid("sessioncleanup").Tags([]string{"sessioncleanup"}).
		Description("Generated by examples/monitoring/dashboard.").Readonly().Refresh("1m").Time("now-7d", "now").
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("job").Label("Job").Datasource(source).Multi(true).IncludeAll(true).
			Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(sessioncleanup_build_info, job)")}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged))
	for _, r := range rows() {
		board.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			if p.number {
				board.WithPanel(number(p))
			} else {
				board.WithPanel(graph(p))
			}
		}
	}
	built, err := board.Build()
	if err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(built, "", "  ")
	return append(out, '\n'), err
}

func number(p panel) *stat.PanelBuilder {
	b := stat.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).Height(5).Span(4)
	for i, s := range p.series {
		b.WithTarget(query(i, s).Instant())
	}
	return b
}

func graph(p panel) *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Datasource(source).Height(8).Span(12).Min(0)
	for i, s := range p.series {
		b.WithTarget(query(i, s).Range())
	}
	return b
}

func query(i int, s series) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(selected(s.expr)).LegendFormat(s.legend).RefId(string(rune('A' + i))).Datasource(source)
}

func selected(expr string) string { return strings.ReplaceAll(expr, "{}", `{job=~"$job"}`) }
