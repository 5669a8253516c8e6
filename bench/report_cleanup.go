package main

import (
	"fmt"
	"math"
	"slices"
)

// cleanups are a figure of one contender's samples, by round.
func (p page) cleanups(database, contender string, size, due int, figure func(CleanupSample) float64) []float64 {
	return values(p.Cleanup, func(s CleanupSample) bool {
		return s.Database == database && s.Contender == contender && s.Size == size && s.Due == due
	}, figure)
}

// loaded are a figure of one contender's samples under load, by round.
func (p page) loaded(database, contender string, size, due int, figure func(BusyRuns) float64) []float64 {
	return values(p.Cleanup, func(s CleanupSample) bool {
		return s.Database == database && s.Contender == contender && s.Size == size && s.Due == due && s.Busy.Seconds > 0
	}, func(s CleanupSample) float64 { return figure(s.Busy) })
}

func cleanupSeconds(s CleanupSample) float64 { return s.Seconds }

// CleanupSizes are the sizes measured, smallest first.
func (p page) CleanupSizes() []int {
	return slices.Sorted(slices.Values(distinct(p.Cleanup, func(s CleanupSample) int { return s.Size })))
}

// FacedSize is the one in the first picture: the largest of those that were measured in the most rounds, since a single
// round shows whatever happened in it; 0 when there are none.
func (p page) FacedSize() int {
	faced, most := 0, 0
	for _, size := range p.CleanupSizes() {
		rounds := len(p.loaded(onPostgres, ours, size, facedDue, func(b BusyRuns) float64 { return b.Seconds }))
		if rounds >= most {
			faced, most = size, rounds
		}
	}
	return faced
}

// Thousands writes a number of sessions.
func (p page) Thousands(n int) string { return grouped(int64(n)) }

// contendersOn are those that were measured on a database.
func (p page) contendersOn(database string) []string {
	on := values(p.Cleanup, func(s CleanupSample) bool { return s.Database == database }, cleanupSeconds)
	if len(on) == 0 {
		return nil
	}
	var names []string
	for _, c := range contenders() {
		if c.database == database {
			names = append(names, c.name)
		}
	}
	return names
}

// standard is whom the others are compared with on a database.
func standard(database string) string {
	if database == inMemory {
		return scsStore
	}
	return byHandOnce
}

// CleanupTable is what a cleanup costs, alone.
func (p page) CleanupTable(database string) string {
	header := []string{"sessions, due", "contender", "rows/s", "seconds", "time / " + standard(database), "longest transaction, ms"}
	if database == onPostgres {
		header = append(header, "WAL, bytes per row")
	}
	if database != inMemory {
		header = append(header, "tables and indexes after, MB")
	}
	var rows [][]string
	for _, size := range p.CleanupSizes() {
		for _, due := range dueParts {
			for _, name := range p.contendersOn(database) {
				get := func(figure func(CleanupSample) float64) []float64 {
					return p.cleanups(database, name, size, due, figure)
				}
				row := []string{
					fmt.Sprintf("%s, %d %%", grouped(int64(size)), due), name,
					num(median(get(func(s CleanupSample) float64 { return float64(s.Rows) / s.Seconds }))),
					num(median(get(cleanupSeconds))),
					ratioOf(get(cleanupSeconds), p.cleanups(database, standard(database), size, due, cleanupSeconds)),
					num(median(get(func(s CleanupSample) float64 { return s.Longest }))),
				}
				if database == onPostgres {
					row = append(row, num(median(get(func(s CleanupSample) float64 { return float64(s.WAL) / float64(s.Rows) }))))
				}
				if database != inMemory {
					row = append(row, num(median(get(func(s CleanupSample) float64 { return float64(s.Bytes) / 1e6 }))))
				}
				rows = append(rows, row)
			}
		}
	}
	return table(header, rows)
}

// LoadTable is what clients see of the same cleanups.
func (p page) LoadTable(database string) string {
	header := []string{"sessions, due", "contender", "idle p99 / max, ms", "p50, ms", "p99, ms", "max, ms", "failed", "on due sessions: max, ms", "failed", "longest transaction, ms"}
	var rows [][]string
	for _, size := range p.CleanupSizes() {
		for _, due := range dueParts {
			for _, name := range p.contendersOn(database) {
				get := func(figure func(l BusyRuns) float64) float64 {
					return median(p.loaded(database, name, size, due, figure))
				}
				total := func(figure func(l BusyRuns) int) string {
					return grouped(int64(sum(p.loaded(database, name, size, due, func(b BusyRuns) float64 { return float64(figure(b)) }))))
				}
				rows = append(rows, []string{
					fmt.Sprintf("%s, %d %%", grouped(int64(size)), due), name,
					num(get(func(b BusyRuns) float64 { return b.Idle.P99 })) + " / " + num(get(func(b BusyRuns) float64 { return b.Idle.Max })),
					num(get(func(b BusyRuns) float64 { return seen(b.During, b.During.P50) })),
					num(get(func(b BusyRuns) float64 { return seen(b.During, b.During.P99) })),
					num(get(func(b BusyRuns) float64 { return seen(b.During, b.During.Max) })),
					total(func(b BusyRuns) int { return b.During.Failed }),
					num(get(func(b BusyRuns) float64 { return seen(b.Returning, b.Returning.Max) })),
					total(func(b BusyRuns) int { return b.Returning.Failed }),
					num(get(func(b BusyRuns) float64 { return b.Longest })),
				})
			}
		}
	}
	return table(header, rows)
}

// seen is a figure of a latency, where there were statements to tell it.
func seen(l Latency, figure float64) float64 {
	if l.Count == 0 {
		return math.NaN()
	}
	return figure
}

// RiverWait is how long river waited before it began.
func (p page) RiverWait() string {
	return num(median(values(p.Cleanup, func(s CleanupSample) bool { return s.Contender == riverQueue }, func(s CleanupSample) float64 { return s.Waited })))
}

// face is one group of bars in the first picture.
type face struct {
	what   string
	figure func(BusyRuns) float64
}

// faces are what the first picture shows of a cleanup.
func faces() []face {
	return []face{
		{"longest transaction", func(b BusyRuns) float64 { return b.Longest }},
		{"longest wait, sessions that are due", func(b BusyRuns) float64 { return seen(b.Returning, b.Returning.Max) }},
		{"longest wait, other sessions", func(b BusyRuns) float64 { return seen(b.During, b.During.Max) }},
		{"p99 of waits, other sessions", func(b BusyRuns) float64 { return seen(b.During, b.During.P99) }},
	}
}

// facedDue is the part due in the first picture.
const facedDue = 80

// faced is the ratio of this project's figure to the cron job's.
func (p page) faced(f face) float64 {
	return median(ratiosOf(p.loaded(onPostgres, ours, p.FacedSize(), facedDue, f.figure), p.loaded(onPostgres, byHandOnce, p.FacedSize(), facedDue, f.figure)))
}

// FaceTable has the figures of the first picture.
func (p page) FaceTable() string {
	var rows [][]string
	for _, f := range faces() {
		a := p.loaded(onPostgres, ours, p.FacedSize(), facedDue, f.figure)
		b := p.loaded(onPostgres, byHandOnce, p.FacedSize(), facedDue, f.figure)
		rows = append(rows, []string{f.what, num(median(a)), num(median(b)), ratioOf(a, b)})
	}
	return table([]string{"ms", ours, "cron job", "ratio, median of rounds (smallest to largest)"}, rows)
}
