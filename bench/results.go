package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Results are everything that was measured, as kept in docs/benchmarks/results.json. A run replaces the parts that it
// measures, where sizes are kept apart those of its sizes, and leaves the others.
type Results struct {
	Settings map[string][]Setting `json:"settings"` // by the name of the measurement: several if its sizes were measured apart
	Cron     []CronSample         `json:"cron"`
	Cleanup  []CleanupSample      `json:"cleanup"`
	Tracking []TrackingSample     `json:"tracking"`
	Reading  []ReadingSample      `json:"reading"`
	Queries  []QuerySample        `json:"queries"`
	Memory   []MemorySample       `json:"memory"`
	HTTP     []HTTPSample         `json:"http"`
	Bars     []BarResult          `json:"bars"`
	Before   []Ratio              `json:"ratios_before,omitempty"` // of the run before, made in the same way
}

// settle notes under what a measurement was made. Where it keeps sizes apart, what was noted before stays for those
// that were not measured now.
func (r *Results) settle(m measurement, now Setting) {
	var kept []Setting
	for _, old := range r.Settings[m.name] {
		old.Sizes = otherSizes(old.Sizes, now.Sizes, func(size int) int { return size })
		if m.bySize && len(old.Sizes) > 0 {
			kept = append(kept, old)
		}
	}
	r.Settings[m.name] = append(kept, now)
}

// otherSizes are those samples that are of none of the sizes.
func otherSizes[S any](samples []S, sizes []int, of func(S) int) []S {
	return slices.DeleteFunc(slices.Clone(samples), func(s S) bool { return slices.Contains(sizes, of(s)) })
}

// Setting is under what a measurement was made.
type Setting struct {
	At       time.Time         `json:"at"`
	Command  string            `json:"command"`
	Rounds   int               `json:"rounds"`
	Period   string            `json:"period"`
	Sizes    []int             `json:"sizes"`
	OS       string            `json:"os"`
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	MemoryGB float64           `json:"memory_gb"`
	Files    string            `json:"files,omitempty"`  // the file system of the databases
	Load     float64           `json:"load"`             // load average of one minute when the measurement began
	Stolen   *float64          `json:"stolen,omitempty"` // part of the processors\' time that went to other machines of the host meanwhile, in percent; nil if that was not measured
	Versions map[string]string `json:"versions"`
}

// CleanupSample is one cleanup by one contender. Times are in milliseconds where not said otherwise.
type CleanupSample struct {
	Database  string  `json:"database"`
	Contender string  `json:"contender"`
	Size      int     `json:"size"`
	Due       int     `json:"due_percent"`
	Round     int     `json:"round"`
	Rows      int     `json:"rows"`
	Seconds   float64 `json:"seconds"`        // from the first statement to the last without pauses, nobody else there
	Waited    float64 `json:"waited_seconds"` // before the first statement: the contender's own schedule
	Paused    float64 `json:"paused_seconds"` // between statements, on purpose
	Longest   float64 `json:"longest_ms"`     // transaction, nobody else there
	WAL       int64   `json:"wal_bytes"`
	Bytes     int64   `json:"bytes_after"` // tables and indexes
	Busy      BusyRun `json:"busy"`
}

// BusyRun is the same cleanup once more, while clients use the database. It is zero in rounds without it.
type BusyRun struct {
	Seconds   float64 `json:"seconds"`
	Longest   float64 `json:"longest_ms"`
	Idle      Latency `json:"idle"`      // before the cleanup
	During    Latency `json:"during"`    // on sessions that are not due
	Returning Latency `json:"returning"` // on sessions that are due
}

// CronSample is one contender of the first picture: the same cleanup under load, again and again until clients have met
// it for long enough, and what they saw in all of that time.
type CronSample struct {
	Contender string  `json:"contender"`
	Size      int     `json:"size"`
	Round     int     `json:"round"`
	Runs      int     `json:"runs"`
	Seconds   float64 `json:"seconds"`    // of a run, the median of the runs
	Longest   float64 `json:"longest_ms"` // transaction of a run, the median of the runs
	Others    Latency `json:"others"`     // on sessions that are not due
	Returning Latency `json:"returning"`  // on sessions that are due
}

// Latency is how long statements took, in milliseconds, from when they were meant to begin.
type Latency struct {
	Count  int     `json:"count"`
	Failed int     `json:"failed"`
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// TrackingSample is the insertion of activity rows for a while.
type TrackingSample struct {
	Tracking  string  `json:"tracking"` // none, ours or row trigger
	Shape     string  `json:"shape"`    // single or bulk
	Sessions  string  `json:"sessions"` // hot or spread
	Round     int     `json:"round"`
	PerSecond float64 `json:"rows_per_second"`
	WALPerRow float64 `json:"wal_bytes_per_row"`
	Updates   int64   `json:"session_updates"`
	HOT       int64   `json:"session_updates_hot"`
}

// ReadingSample is the time of one question, the median of several.
type ReadingSample struct {
	Question string  `json:"question"`
	Way      string  `json:"way"`
	Size     int     `json:"size"`
	Round    int     `json:"round"`
	MS       float64 `json:"ms"`
}

// QuerySample is the time of the host's own queries at one stage of a table's life.
type QuerySample struct {
	Query string  `json:"query"` // "mix" for all of them, weighted
	Stage string  `json:"stage"`
	Size  int     `json:"size"`
	Round int     `json:"round"`
	MS    float64 `json:"ms"` // mean per query
}

// MemorySample is the cost of one operation of a store in memory.
type MemorySample struct {
	Store     string  `json:"store"`
	Operation string  `json:"operation"`
	Size      int     `json:"size"`
	Round     int     `json:"round"`
	NS        float64 `json:"ns_per_op"`
	Allocs    float64 `json:"allocs_per_op"`
	Bytes     float64 `json:"bytes_per_op"`
}

// HTTPSample is how fast requests were answered.
type HTTPSample struct {
	Request   string  `json:"request"`
	Size      int     `json:"size"`
	Round     int     `json:"round"`
	PerSecond float64 `json:"requests_per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// BarResult is what a bar's command measured.
type BarResult struct {
	At       time.Time `json:"at"`
	What     string    `json:"what"`
	Measured float64   `json:"measured"`
	Holds    bool      `json:"holds"`
	Stolen   float64   `json:"stolen"`          // while its command ran, as in Setting
	Error    string    `json:"error,omitempty"` // why there is no figure
}

const resultsFile = "results.json"

// readResults reads what was measured before; nothing when there is no such file.
func readResults(dir string) (*Results, error) {
	r := &Results{Settings: map[string][]Setting{}}
	data, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil {
		return nil, fmt.Errorf("read the results of before: %w", err)
	}
	return r, nil
}

func (r *Results) write(dir string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, resultsFile), append(data, '\n'), 0o644)
}
