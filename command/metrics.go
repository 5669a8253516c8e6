package command

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/metrics"
)

const (
	scrapesAtOnce = 10              // further ones get a 503
	fileTimeout   = 2 * time.Minute // for the metrics of a run that is over
	fileGrace     = time.Second     // for those of one that was stopped
)

// metricsFlags are the flags of serve for Prometheus.
type metricsFlags struct {
	addr  string
	every span
}

func (f *metricsFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.addr, "metrics-addr", "", "serve metrics for Prometheus at /metrics on this address, without a token, for example localhost:9464")
	flags.Var(&f.every, "metrics-every", "how often runs happen, for the alert on a missed one, where cron starts them (default: the schedule's)")
}

// handler answers with the metrics of installations and of the process, until ctx ends.
func (f *metricsFlags) handler(ctx context.Context, all []served, schedule sessioncleanup.Schedule, log *slog.Logger) (http.Handler, error) {
	if f.every > 0 {
		schedule = sessioncleanup.Interval{Every: time.Duration(f.every)}
	}
	registry := prometheus.NewRegistry()
	for _, s := range all {
		collector, err := metrics.NewCollector(s.m, metrics.Config{Schedule: schedule, Version: buildVersion().Version, Context: ctx})
		if err != nil {
			return nil, err
		}
		if err := labeled(registry, s.name, len(all) > 1).Register(collector); err != nil {
			return nil, err
		}
	}
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: scrapesAtOnce,
	}), nil
}

// labeled labels what it registers with the name of an installation, if it has one or there are others.
func labeled(r prometheus.Registerer, name string, others bool) prometheus.Registerer {
	if name == "" && !others {
		return r
	}
	return prometheus.WrapRegistererWith(prometheus.Labels{metrics.NameLabel: name}, r)
}

// serve serves the metrics on their own address, if there is one, while it calls run.
func (f *metricsFlags) serve(ctx context.Context, measured http.Handler, log *slog.Logger, run func(context.Context) error) error {
	if f.addr == "" {
		return run(ctx)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving metrics", "metrics_addr", listener.Addr().String())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", measured)
	server := newServer(mux, log)
	return beside(ctx, server, func() error { return server.Serve(listener) }, log, run)
}

// withToken serves admins, and those whose token is for the metrics.
func withToken(authenticate func(*http.Request) (sessioncleanup.Principal, error), measured http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := authenticate(r)
		failures, tooMany := errors.AsType[*httpapi.WaitError](err)
		switch {
		case tooMany:
			w.Header().Set("Retry-After", strconv.Itoa(int(failures.Wait.Seconds())+1))
			http.Error(w, failures.Error(), http.StatusTooManyRequests)
		case err != nil:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token is needed", http.StatusUnauthorized)
		case who.Role != sessioncleanup.RoleAdmin && who.Role != tokens.RoleMetrics:
			http.Error(w, "the token is not for the metrics", http.StatusForbidden)
		default:
			measured.ServeHTTP(w, r)
		}
	})
}

// metricsFile are the flags of cleanup for node_exporter.
type metricsFile struct {
	path  string
	every span
}

func (f *metricsFile) add(flags *pflag.FlagSet) {
	f.every = span(defaultEvery)
	flags.StringVar(&f.path, "metrics-file", "", "write metrics to this `file` after the run, for node_exporter; its name ends with .prom")
	flags.Var(&f.every, "metrics-every", "with --metrics-file: how often this command is run, for the alert on a missed run")
}

func (f *metricsFile) check(cmd *cobra.Command, dryRun bool) error {
	switch changed := cmd.Flags().Changed; {
	case f.path != "" && !strings.HasSuffix(f.path, ".prom"):
		return usagef("--metrics-file is %q: want a name that ends with .prom, as node_exporter reads it; the file is replaced", f.path)
	case f.path == "" && changed("metrics-every"):
		return usagef("--metrics-every has no effect without --metrics-file")
	case f.path != "" && dryRun:
		return usagef("--metrics-file is for runs: a dry run changes nothing that could be measured")
	case f.every < span(time.Second):
		return usagef("--metrics-every is %v: want a positive duration", time.Duration(f.every))
	}
	if is, err := os.Stat(f.path); f.path != "" && err == nil && !is.Mode().IsRegular() { // a pipe would block, and a device be replaced
		return usagef("--metrics-file is %q, which is no regular file: want the name of a file", f.path)
	}
	return nil
}

// writeMetrics replaces the file at once: a reader has the old one or the new one. A failure is a warning, because the run
// is done.
func (a *app) writeMetrics(ctx context.Context, m *sessioncleanup.Manager, f metricsFile) {
	ctx, cancel := wait.Outlive(ctx, fileGrace)
	defer cancel()
	collector, err := metrics.NewCollector(m, metrics.Config{
		Schedule: sessioncleanup.Interval{Every: time.Duration(f.every)}, Version: buildVersion().Version, Timeout: fileTimeout, Context: ctx,
	})
	if err == nil {
		err = a.resume(collector, f.path)
	}
	registry := prometheus.NewRegistry()
	if err == nil {
		err = labeled(registry, a.installation(), false).Register(collector)
	}
	if err == nil {
		err = prometheus.WriteToTextfile(f.path, registry)
	}
	if err != nil {
		a.complain("warning: the metrics could not be written: " + err.Error())
	}
}

// resume sets the counters to those in the file, if there is one.
func (a *app) resume(collector *metrics.Collector, path string) error {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	defer func() { _ = file.Close() }() // only read
	if err := collector.Resume(file); err != nil {
		a.complain("warning: the counters begin again, " + path + " cannot be read: " + err.Error())
	}
	return nil
}
