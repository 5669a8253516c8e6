package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

const (
	// requestsPerSecond and requestsAtOnce limit the requests of one token.
	requestsPerSecond = 100
	requestsAtOnce    = 200
	// shutdownTimeout is the time for current requests to end, including runs with their current batch.
	shutdownTimeout = 15 * time.Second
)

// httpFlags are the flags of serve for HTTP.
type httpFlags struct{ addr, tokens string }

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.addr, "addr", "", "also serve HTTP on this address, for example localhost:8080; needs --tokens")
	flags.StringVar(&f.tokens, "tokens", "", `file of bearer tokens, lines "TOKEN admin", "TOKEN owner ID", "TOKEN viewer"; not readable by others`)
}

// read reads the tokens; nil without --addr.
func (f *httpFlags) read() (*tokens.Tokens, error) {
	if (f.addr == "") != (f.tokens == "") {
		return nil, usagef("--addr and --tokens belong together: without tokens, nobody could use the server")
	}
	if f.addr == "" {
		return nil, nil
	}
	known, err := tokens.Open(f.tokens)
	if err != nil {
		return nil, usageError{err}
	}
	return known, nil
}

// serveHTTP serves HTTP and calls run, until ctx ends or one of the two fails. Then it stops the other one and lets current
// requests end.
func serveHTTP(ctx context.Context, m *sessioncleanup.Manager, addr string, known *tokens.Tokens, log *slog.Logger, run func(context.Context) error) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	handler, err := routes(life, m, known, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := newServer(handler, log)
	server.RegisterOnShutdown(end) // live streams end, runs finish the current batch
	log.InfoContext(ctx, "serving HTTP", "addr", listener.Addr().String(), "prefix", httpapi.DefaultPrefix)

	work, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- server.Serve(listener)
	}()
	err = run(work)
	if errors.Is(err, sessioncleanup.ErrDisabled) { // the handlers still show and change sessions
		log.WarnContext(ctx, "no scheduled cleanup: it is disabled", "by", sessioncleanup.EnvEnabled+" or the stored policy")
		<-work.Done()
		err = work.Err()
	}
	shutDown(ctx, server, log)
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		return serveErr
	}
	return err
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// shutDown lets current requests end, within shutdownTimeout.
func shutDown(ctx context.Context, server *http.Server, log *slog.Logger) {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		log.WarnContext(grace, "requests were cut off", "error", err)
		_ = server.Close() // connections that it cannot close end with the process
	}
}

// routes is the handler of everything that serve answers.
func routes(life context.Context, m *sessioncleanup.Manager, known *tokens.Tokens, log *slog.Logger) (http.Handler, error) {
	api, err := httpapi.New(m, httpapi.Options{
		Authenticate: known.Authenticate, Limit: httpapi.PerPrincipal(requestsPerSecond, requestsAtOnce), Context: life, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", httpapi.Healthy())
	mux.Handle("GET /readyz", httpapi.Ready(m))
	mux.Handle(httpapi.DefaultPrefix+"/", api)
	return mux, nil
}
