package main

import (
	"context"
	"errors"
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
	name   string
	bySize bool // its samples are each of one size, and stay when only others are measured
	run    func(b *bench, s *scope) error
}

// barsName names the bars among the measurements' settings.
const barsName = "bars"

func measurements() []measurement {
	return []measurement{
		{"cron", false, measureCron},
		{"cleanup", true, measureCleanup},
		{"tracking", false, measureTracking},
		{"reading", true, measureReading},
		{"queries", true, measureQueries},
		{"memory", false, measureMemory},
		{"http", false, measureHTTP},
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
	b := &bench{options: o, results: results, progress: progress}
	var setting Setting
	if err := inDir(o.dir, func() error {
		return within(ctx, func(s *scope) error { //nolint:contextcheck // the server takes the context that the scope has, as of a test
			b.server = postgresServer(s)
			setting = b.setting(s, args)
			for _, m := range measurements() {
				if !slices.Contains(o.only, m.name) {
					continue
				}
				if err := b.make(s.ctx, m, setting); err != nil {
					return err
				}
			}
			return nil
		})
	}); err != nil || !o.bars {
		return err
	}
	setting.Files = fileSystem(os.TempDir())
	return b.make(ctx, measurement{name: barsName, run: measureBars}, setting)
}

// make makes one measurement.
func (b *bench) make(ctx context.Context, m measurement, setting Setting) error {
	started := time.Now()
	setting.At, setting.Load = started.UTC().Truncate(time.Second), loadAverage()
	whole := m.name != barsName || !slices.ContainsFunc(bars(), func(bar bar) bool { return !b.wants(bar) }) // some of the bars are no measurement: each says itself when it was made
	if whole {
		b.results.keepRatios(m.name, setting) //nolint:contextcheck // it asks contenders for their names only
	}
	stolen := watchProcessors()
	if err := within(ctx, func(s *scope) error { return m.run(b, s) }); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	part := stolen()
	setting.Stolen = &part
	if whole {
		b.results.settle(m, setting)
	}
	if err := b.results.write(b.plots()); err != nil { // what comes later may fail
		return err
	}
	b.say("%s: measured in %v", m.name, time.Since(started).Round(time.Second))
	return nil
}

// inDir has work, and the programs that it starts, keep their temporary files in a folder; the system's if it is empty.
func inDir(dir string, work func() error) error {
	const variable = "TMPDIR"
	if dir == "" {
		return work()
	}
	before, was := os.LookupEnv(variable)
	if err := os.Setenv(variable, dir); err != nil {
		return err
	}
	err := work()
	if was {
		return errors.Join(err, os.Setenv(variable, before))
	}
	return errors.Join(err, os.Unsetenv(variable))
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
		Command: strings.TrimSpace("scripts/bench " + quoted(args)), Rounds: b.rounds, Period: b.period.String(), Sizes: b.sizes,
		OS: fileValue("/etc/os-release", "PRETTY_NAME="), CPU: fileValue("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		MemoryGB: machineMemory() / 1e6, Files: fileSystem(os.TempDir()), Versions: versions,
	}
}

// quoted are arguments as one types them.
func quoted(args []string) string {
	var words []string
	for _, arg := range args {
		if strings.ContainsAny(arg, " |*()$") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
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

// fileSystem is the type of the file system that a folder is on, as Linux tells it; nothing elsewhere.
func fileSystem(dir string) string {
	data, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return ""
	}
	longest, kind := "", ""
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		point := strings.TrimSuffix(fields[1], "/") + "/"
		if strings.HasPrefix(dir+"/", point) && len(point) >= len(longest) {
			longest, kind = point, fields[2]
		}
	}
	return kind
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

// watchProcessors gives a function that tells which part of the processors' time the host has given to other machines
// since, in percent.
func watchProcessors() func() float64 {
	stolen, total := processorTime()
	return func() float64 {
		stolenNow, totalNow := processorTime()
		if totalNow <= total {
			return 0
		}
		return 100 * (stolenNow - stolen) / (totalNow - total)
	}
}

// processorTime is how much of the processors' time has gone to other machines on the same host, and how much there
// was, in ticks, as Linux tells it; 0 elsewhere.
func processorTime() (stolen, total float64) {
	const steal = 7 // user, nice, system, idle, iowait, irq, softirq, steal; guests count as users
	for i, field := range strings.Fields(fileValue("/proc/stat", "cpu ")) {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil || i > steal {
			break
		}
		if total += ticks; i == steal {
			stolen = ticks
		}
	}
	return stolen, total
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
