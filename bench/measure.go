package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
)

// bench is what measurements need.
type bench struct {
	options
	server   *pgtest.Server
	results  *Results
	progress io.Writer
}

// measurement is one part of a run.
type measurement struct {
	name string
	run  func(b *bench, s *scope) error
}

// barsName names the bars among the measurements' settings.
const barsName = "bars"

func measurements() []measurement {
	return []measurement{
		{"cleanup", measureCleanup},
		{"tracking", measureTracking},
		{"reading", measureReading},
		{"queries", measureQueries},
		{"memory", measureMemory},
		{"http", measureHTTP},
	}
}

func measurementNames() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

// measure makes the measurements that are asked for, and puts what they find into the results.
func measure(ctx context.Context, o options, args []string, results *Results, progress io.Writer) error {
	return within(ctx, func(s *scope) error {
		server := postgresServer(s) //nolint:contextcheck // it takes the context that the scope has, as of a test
		b := &bench{options: o, server: server, results: results, progress: progress}
		setting := b.setting(s, args)
		for _, m := range measurements() {
			if !slices.Contains(o.only, m.name) {
				continue
			}
			started := time.Now()
			setting.At, setting.Load = started.UTC().Truncate(time.Second), loadAverage()
			results.keepRatios(m.name, setting) //nolint:contextcheck // it asks contenders for their names only
			if err := within(ctx, func(s *scope) error { return m.run(b, s) }); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			results.Settings[m.name] = setting
			if err := results.write(o.plots()); err != nil { // what comes later may fail
				return err
			}
			b.say("%s: measured in %v", m.name, time.Since(started).Round(time.Second))
		}
		if o.bars {
			setting.At, setting.Load = time.Now().UTC().Truncate(time.Second), loadAverage()
			results.keepRatios(barsName, setting) //nolint:contextcheck // it asks contenders for their names only
			results.Settings[barsName] = setting
			return measureBars(b, s)
		}
		return nil
	})
}

// roundsTimes are more rounds, for what takes a moment only. One round stays one: it is a look, not a measurement.
func (b *bench) roundsTimes(n int) int {
	if b.rounds == 1 {
		return 1
	}
	return b.rounds * n
}

// say tells whoever waits how far the run is.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// setting describes the machine and what is measured on it.
func (b *bench) setting(s *scope, args []string) Setting {
	versions := map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}
	pool := s.connect(b.server.URL(), nil)
	var version string
	if err := pool.QueryRow(s.ctx, "SELECT current_setting('server_version')").Scan(&version); err != nil {
		s.Fatal(err)
	}
	versions["PostgreSQL"], _, _ = strings.Cut(version, " ")
	if err := s.openFile(":memory:").QueryRowContext(s.ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		s.Fatal(err)
	}
	versions["SQLite"] = version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if name, ok := shownModules[module.Path]; ok {
				versions[name] = strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return Setting{
		Command: strings.TrimSpace("scripts/bench " + strings.Join(args, " ")), Rounds: b.rounds, Period: b.period.String(), Sizes: b.sizes,
		OS: fileValue("/etc/os-release", "PRETTY_NAME="), CPU: fileValue("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		MemoryGB: machineMemory() / 1e6, Versions: versions,
	}
}

// shownModules are the libraries whose versions are shown.
var shownModules = map[string]string{
	"github.com/alexedwards/scs/v2":           "scs",
	"github.com/alexedwards/scs/pgxstore":     "scs pgxstore",
	"github.com/alexedwards/scs/sqlite3store": "scs sqlite3store",
	"github.com/riverqueue/river":             "river",
	"github.com/jackc/pgx/v5":                 "pgx",
	"modernc.org/sqlite":                      "modernc.org/sqlite",
}

// fileValue is what a line of a file of the system says, or the name of the system where there is no such file.
func fileValue(file, key string) string {
	data, err := os.ReadFile(file)
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(line, key); ok {
				return strings.Trim(strings.TrimSpace(value), `:" 	`)
			}
		}
	}
	return runtime.GOOS + " " + runtime.GOARCH
}

// machineMemory is that of the machine in KiB, as Linux tells it; 0 elsewhere.
func machineMemory() float64 {
	fields := strings.Fields(fileValue("/proc/meminfo", "MemTotal:"))
	kib, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0
	}
	return kib * 1.024
}

// loadAverage is the load average of the last minute, as Linux tells it; 0 elsewhere.
func loadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), " ")
	value, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return value
}
