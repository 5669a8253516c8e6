package command

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/login"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
	"github.com/sessioncleanup/sessioncleanup/webui"
)

const (
	// requestsPerSecond and requestsAtOnce limit the requests of one principal, requestsServed those that are served at a time.
	requestsPerSecond = 100
	requestsAtOnce    = 200
	requestsServed    = 2
	// changesPerSecond and changesAtOnce limit the changes of one owner, each of which is an event in the log: some 9000 a day.
	changesPerSecond = 0.1
	changesAtOnce    = 1000
	// shutdownTimeout is the time for current requests to end, including runs with their current batch.
	shutdownTimeout = 4 * time.Second
)

// httpFlags are the flags of serve for HTTP.
type httpFlags struct {
	addr, tokens, cert, key string
	login                   loginFlags
}

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.addr, "addr", "", "also serve HTTP on this address, for example localhost:8080; needs --tokens, or another way to log in")
	flags.StringVar(&f.tokens, "tokens", "", `file of bearer tokens, lines "TOKEN admin", "TOKEN owner ID", "TOKEN viewer", "TOKEN metrics"; not readable by others`)
	flags.StringVar(&f.cert, "tls-cert", "", "serve HTTPS with the certificate, and those that sign it, in this PEM file; needs --tls-key")
	flags.StringVar(&f.key, "tls-key", "", "PEM file with the private key of --tls-cert")
	f.login.add(flags)
}

// endpoint is where serve answers HTTP, and to whom.
type endpoint struct {
	addr  string
	known *tokens.Tokens
	tls   *tls.Config // nil: without TLS

	jwt     *login.Verifier // nil: no JSON Web Tokens
	proxies *login.Proxies  // nil: none is trusted
	origins []string        // of pages elsewhere that may use the API

	shortcuts []login.Shortcut   // that the login form offers to everybody
	listening func(string) error // called with the URL once the address is open. Default: nothing
}

// read reads the files of the flags; nil without --addr.
func (f *httpFlags) read() (*endpoint, error) {
	switch {
	case f.addr != "" && f.tokens == "" && !f.login.any():
		return nil, usagef("--addr and --tokens belong together: without tokens, --jwt-secret, --jwt-keys or --trusted-proxy, no client could use the server")
	case f.addr == "" && (f.tokens != "" || f.login.any() || len(f.login.origins) > 0):
		return nil, usagef("--addr and --tokens belong together: nobody logs in without --addr")
	case (f.cert == "") != (f.key == ""):
		return nil, usagef("--tls-cert and --tls-key belong together: set both, or neither to serve without TLS")
	case f.addr == "" && f.cert != "":
		return nil, usagef("--tls-cert and --tls-key need --addr and --tokens")
	case f.addr == "":
		return nil, nil
	}
	e := &endpoint{addr: f.addr}
	var err error
	if f.tokens != "" {
		if e.known, err = tokens.Open(f.tokens); err != nil {
			return nil, usageError{err}
		}
	}
	if err := f.login.read(e); err != nil {
		return nil, err
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, usagef("--tls-cert %s and --tls-key %s: %w", f.cert, f.key, err)
		}
		e.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return e, nil
}

// listen opens the address, and warns when tokens would be readable on a network.
func (e *endpoint) listen(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.addr)
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "serving HTTP", "addr", listener.Addr().String(), "prefix", httpapi.DefaultPrefix, "tls", e.tls != nil)
	if at, ok := listener.Addr().(*net.TCPAddr); e.tls == nil && (!ok || !at.IP.IsLoopback()) {
		log.WarnContext(ctx, "serving without TLS beyond this machine: tokens can be read on the network; use --tls-cert and --tls-key, "+
			"or a proxy with TLS and a loopback --addr")
	}
	return listener, nil
}

// serve answers requests until the server is shut down.
func (e *endpoint) serve(server *http.Server, listener net.Listener) error {
	if e.tls == nil {
		return server.Serve(listener)
	}
	server.TLSConfig = e.tls
	return server.ServeTLS(listener, "", "")
}

// serveHTTP serves HTTP and calls run, until ctx ends or one of the two fails. Then it stops the other one and lets current
// requests end.
func serveHTTP(
	ctx context.Context, all []served, e *endpoint, measured http.Handler, log *slog.Logger, run func(context.Context) error,
) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	handler, err := routes(life, all, newLogins(e, log), e.origins, measured)
	if err != nil {
		return err
	}
	listener, err := e.listen(ctx, log)
	if err != nil {
		return err
	}
	if e.listening != nil {
		if err := e.listening("http://" + listener.Addr().String() + "/"); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	server := newServer(handler, log)
	server.RegisterOnShutdown(end) // live streams end, runs finish the current batch
	return beside(ctx, server, func() error { return e.serve(server, listener) }, log, run)
}

// beside serves and calls run, until ctx ends or one of the two fails. Then it stops the other one.
func beside(ctx context.Context, server *http.Server, serve func() error, log *slog.Logger, run func(context.Context) error) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- serve()
	}()
	err := run(work)
	if errors.Is(err, sessioncleanup.ErrDisabled) { // the handlers still show and change sessions
		log.WarnContext(ctx, "no scheduled cleanup: cleanup is disabled", "by", sessioncleanup.EnvEnabled+" or the stored policy")
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
		log.WarnContext(grace, "requests were cut off by the shutdown", "error", err)
		_ = server.Close() // connections that it cannot close end with the process
	}
}

// routes is the handler of everything that serve answers.
func routes(life context.Context, all []served, users *logins, origins []string, measured http.Handler) (http.Handler, error) {
	crossOrigin, err := trusting(origins)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	limit, limitChanges := httpapi.PerPrincipal(requestsPerSecond, requestsAtOnce), ofOwners(httpapi.PerPrincipal(changesPerSecond, changesAtOnce))
	var tables []webui.Table
	var managers []*sessioncleanup.Manager
	for i, s := range all {
		prefix := httpapi.DefaultPrefix + s.below(i)
		api, err := httpapi.New(s.m, httpapi.Options{
			Prefix: prefix, Authenticate: users.authenticate, Context: life, Logger: s.log, CrossOrigin: crossOrigin, KeepLinks: s.links,
			Limit: limit, MaxRequestsPerPrincipal: requestsServed, LimitChanges: limitChanges,
		})
		if err != nil {
			return nil, err
		}
		mux.Handle(prefix+"/", withCORS(origins, api))
		// All URLs are relative to the page, so that a proxy may serve it below a prefix.
		tables, managers = append(tables, webui.Table{Name: cmp.Or(s.name, s.table, "sessions"), API: strings.TrimPrefix(prefix, "/")}), append(managers, s.m)
	}
	page, err := webui.Handler(webui.Options{API: tables[0].API, Tables: tables, Login: "login", Logout: "logout"})
	if err != nil {
		return nil, err
	}
	mux.Handle("/", page)
	users.page.Routes(mux)
	mux.Handle("GET /healthz", httpapi.Healthy())
	mux.Handle("GET /readyz", httpapi.Ready(managers...))
	mux.Handle("GET /metrics", withToken(users.authenticate, measured))
	if users.proxies != nil {
		return users.proxies.Strip(mux), nil
	}
	return mux, nil
}
