package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// cleanups are a figure of one contender's samples, by round.
func (p page) cleanups(database, contender string, size, due int, figure func(CleanupSample) float64) []float64 {
	return values(p.Cleanup, func(s CleanupSample) bool {
		return s.Database == database && s.Contender == contender && s.Size == size && s.Due == due
	}, figure)
}

// loaded are a figure of one contender's samples under load, by round.
func (p page) loaded(database, contender string, size, due int, figure func(BusyRun) float64) []float64 {
	return values(p.Cleanup, func(s CleanupSample) bool {
		return s.Database == database && s.Contender == contender && s.Size == size && s.Due == due && s.Busy.Seconds > 0
	}, func(s CleanupSample) float64 { return figure(s.Busy) })
}

func cleanupSeconds(s CleanupSample) float64 { return s.Seconds }

// CleanupSizes are the sizes measured, smallest first.
func (p page) CleanupSizes() []int {
	return slices.Sorted(slices.Values(distinct(p.Cleanup, func(s CleanupSample) int { return s.Size })))
}

// Thousands writes a number of sessions.
func (p page) Thousands(n int) string { return grouped(int64(n)) }

// contendersOn names those that were measured on a database.
func (p page) contendersOn(database string) []string {
	on := values(p.Cleanup, func(s CleanupSample) bool { return s.Database == database }, cleanupSeconds)
	if len(on) == 0 {
		return nil
	}
	return distinct(contendersOn(database), func(c contender) string { return c.name })
}

// cleanupRatio are the times of a contender against those of whom it is compared with, by round.
func (p page) cleanupRatio(database, contender string, size, due int) []float64 {
	return ratiosOf(p.cleanups(database, contender, size, due, cleanupSeconds), p.cleanups(database, standard(database), size, due, cleanupSeconds))
}

// cleanupRatios are those of all contenders.
func (p page) cleanupRatios(database string, size, due int) [][]float64 {
	var all [][]float64
	for _, name := range p.contendersOn(database) {
		all = append(all, p.cleanupRatio(database, name, size, due))
	}
	return all
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
	header := []string{"sessions, due", "contender", "rounds", "rows/s", "seconds", "time / " + standard(database), "longest transaction, ms"}
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
					fmt.Sprintf("%s, %d %%", grouped(int64(size)), due), name, strconv.Itoa(len(get(cleanupSeconds))),
					num(median(get(func(s CleanupSample) float64 { return float64(s.Rows) / s.Seconds }))),
					num(median(get(cleanupSeconds))),
					ratioOf(p.cleanupRatio(database, name, size, due)),
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
	header := []string{"sessions, due", "contender", "rounds", "seconds", "idle p99 / max, ms", "p50, ms", "p99, ms", "max, ms", "failed", "on due sessions: max, ms", "failed", "longest transaction, ms"}
	var rows [][]string
	for _, size := range p.CleanupSizes() {
		for _, due := range dueParts {
			for _, name := range p.contendersOn(database) {
				get := func(figure func(l BusyRun) float64) float64 {
					return median(p.loaded(database, name, size, due, figure))
				}
				total := func(figure func(l BusyRun) int) string {
					return grouped(int64(sum(p.loaded(database, name, size, due, func(b BusyRun) float64 { return float64(figure(b)) }))))
				}
				rows = append(rows, []string{
					fmt.Sprintf("%s, %d %%", grouped(int64(size)), due), name,
					strconv.Itoa(len(p.loaded(database, name, size, due, func(b BusyRun) float64 { return b.Seconds }))),
					num(get(func(b BusyRun) float64 { return b.Seconds })),
					num(get(func(b BusyRun) float64 { return b.Idle.P99 })) + " / " + num(get(func(b BusyRun) float64 { return b.Idle.Max })),
					num(get(func(b BusyRun) float64 { return seen(b.During, b.During.P50) })),
					num(get(func(b BusyRun) float64 { return seen(b.During, b.During.P99) })),
					num(get(func(b BusyRun) float64 { return seen(b.During, b.During.Max) })),
					total(func(b BusyRun) int { return b.During.Failed }),
					num(get(func(b BusyRun) float64 { return seen(b.Returning, b.Returning.Max) })),
					total(func(b BusyRun) int { return b.Returning.Failed }),
					num(get(func(b BusyRun) float64 { return b.Longest })),
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

// RiverPause is how long river paused in between, in seconds for each 100,000 jobs.
func (p page) RiverPause() string {
	var paused, jobs float64
	for _, s := range p.Cleanup {
		if s.Contender == riverQueue {
			paused, jobs = paused+s.Paused, jobs+float64(s.Rows)
		}
	}
	return num(100_000 * paused / jobs)
}
