package sessioncleanup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// HistoryDays is the number of days that Analytics.History covers.
const HistoryDays = 90

const historyValue = "history" // the name of the value that holds it

// Day sums up the runs of one day. It is kept for longer than their events.
type Day struct {
	Day         string `json:"day"`         // in UTC: 2026-01-31
	Runs        int    `json:"runs"`        // that changed something, or failed
	Failed      int    `json:"failed_runs"` // with an error, or refused by the deletion limit; not those that were stopped or paused
	Deactivated int    `json:"deactivated"`
	Deleted     int    `json:"deleted"`
	Purged      int    `json:"purged"` // from the archive
	Rows        int    `json:"rows"`   // of the application's tables that were deleted, as in Result
	Bytes       int64  `json:"bytes"`  // that this freed, about
}

// history returns the last days with runs, oldest first.
func (m *Manager) history(ctx context.Context, operation string) ([]Day, error) {
	values, err := storeAs[Values](m, operation, "has no history")
	if err != nil {
		return nil, err
	}
	now, err := m.store.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	days, _, err := readHistory(ctx, values)
	return wrapped(operation, recentDays(days, now), err)
}

func readHistory(ctx context.Context, values Values) (days []Day, version int64, err error) {
	data, version, err := values.Value(ctx, historyValue)
	if err == nil && data != nil {
		err = json.Unmarshal(data, &days)
	}
	return days, version, err
}

// recentDays are the days of a history that it still holds at now.
func recentDays(days []Day, now time.Time) []Day {
	first := now.UTC().AddDate(0, 0, 1-HistoryDays).Format(time.DateOnly)
	return slices.DeleteFunc(append([]Day{}, days...), func(d Day) bool { return d.Day < first })
}

// remember adds the run to the history. A failure is only logged: the audit log has the run, too.
func (r *run) remember(ctx context.Context, cause error) {
	values, ok := StoreAs[Values](r.m.store)
	total := r.result.Phases.Total()
	failed := cause != nil && !interrupted(cause)
	if !ok || total.Done == 0 && !failed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	today := Day{
		Day: r.result.Cutoffs.Now.UTC().Format(time.DateOnly), Runs: 1,
		Deactivated: r.result.Deactivated(), Deleted: r.result.Deleted(), Purged: r.result.Purged(),
		Rows: r.result.Rows, Bytes: r.result.Bytes,
	}
	if failed {
		today.Failed = 1
	}
	for {
		stored, err := addToHistory(ctx, values, today, r.result.Cutoffs.Now)
		if err != nil {
			r.m.log.WarnContext(ctx, "the cleanup could not be added to the history that the analytics show", "run_id", r.result.RunID, "error", err)
		}
		if err != nil || stored {
			return
		}
	}
}

// addToHistory stores the history with what a run did, and reports false when another process stored it meanwhile.
func addToHistory(ctx context.Context, values Values, today Day, now time.Time) (stored bool, err error) {
	days, version, err := readHistory(ctx, values)
	if err != nil {
		return false, err
	}
	data, err := json.Marshal(recentDays(addDay(days, today), now))
	if err != nil {
		return false, err
	}
	return values.SetValue(ctx, historyValue, data, version)
}

// addDay adds what a run did to the history.
func addDay(days []Day, d Day) []Day {
	i, found := slices.BinarySearchFunc(days, d, func(a, b Day) int { return strings.Compare(a.Day, b.Day) })
	if !found {
		return slices.Insert(days, i, d)
	}
	days[i].Runs += d.Runs
	days[i].Failed += d.Failed
	days[i].Deactivated += d.Deactivated
	days[i].Deleted += d.Deleted
	days[i].Purged += d.Purged
	days[i].Rows += d.Rows
	days[i].Bytes += d.Bytes
	return days
}
