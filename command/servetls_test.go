package command

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
)

// writesCertificate makes a self-signed certificate for 127.0.0.1 in the user's directory.
func (u *user) writesCertificate() (cert, key string, trust *x509.CertPool) {
	u.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		u.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		u.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		u.t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(public)
	return u.writes("cert.pem", string(public)), u.writes("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), trust
}

// starts runs serve until the function that it returns is called, which returns the log.
func (u *user) starts(args ...string) (addr string, stop func() string) {
	u.t.Helper()
	ctx, cancel := context.WithCancelCause(limited(u.t))
	log := &addressLog{found: make(chan string, 1)}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, u.environment(io.Discard, log, append([]string{"serve", "--every", "never"}, args...)))
	}()
	select {
	case addr = <-log.found:
	case c := <-code:
		u.t.Fatalf("serve ended with %d: %s", c, log.text.String())
	}
	return addr, func() string {
		cancel(stopped{os.Signal(syscall.SIGTERM)})
		if c := <-code; c != exitDone {
			u.t.Errorf("exit code %d, want %d", c, exitDone)
		}
		return log.text.String()
	}
}

func TestServeAnswersHTTPSWithACertificate(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	path := u.writes("tokens", adminToken+" admin\n")
	cert, key, trust := u.writesCertificate()
	addr, stop := u.starts("--addr", "127.0.0.1:0", "--tokens", path, "--tls-cert", cert, "--tls-key", key)
	for version, want := range map[uint16]int{tls.VersionTLS13: http.StatusOK, tls.VersionTLS12: http.StatusOK, tls.VersionTLS11: 0} {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trust, MaxVersion: version, MinVersion: version}}
		if got := statusFrom(t, &http.Client{Transport: transport}, "https://"+addr+"/api/session-cleanup/stats", adminToken); got != want {
			t.Errorf("TLS version %#x: status %d, want %d", version, got, want)
		}
		transport.CloseIdleConnections()
	}
	if got := statusFrom(t, http.DefaultClient, "http://"+addr+"/healthz", ""); got != http.StatusBadRequest {
		t.Errorf("HTTP without TLS: status %d, want 400", got)
	}
	if log := stop(); strings.Contains(log, "without TLS beyond") {
		t.Errorf("the log warns in spite of TLS: %s", log)
	}
}

// statusFrom is the status of a request, 0 when there is no response.
func statusFrom(t *testing.T, client *http.Client, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestServeWarnsBeforeTokensCrossANetworkInTheClear(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	path := u.writes("tokens", adminToken+" admin\n")
	for addr, warns := range map[string]bool{":0": true, "0.0.0.0:0": true, "127.0.0.1:0": false, "localhost:0": false} {
		_, stop := u.starts("--addr", addr, "--tokens", path)
		if log := stop(); strings.Contains(log, "without TLS beyond this machine") != warns {
			t.Errorf("--addr %s: a warning %t, want %t: %s", addr, !warns, warns, log)
		}
	}
}

func TestServeRefusesHalfATLSConfiguration(t *testing.T) {
	t.Parallel()
	u, _ := migrated(t)
	path := u.writes("tokens", adminToken+" admin\n")
	cert, key, _ := u.writesCertificate()
	u.calls("serve", "--addr", "127.0.0.1:0", "--tokens", path, "--tls-cert", cert).want(t, exitUsage, "--tls-key")
	u.calls("serve", "--addr", "127.0.0.1:0", "--tokens", path, "--tls-key", key).want(t, exitUsage, "--tls-cert")
	u.calls("serve", "--tls-cert", cert, "--tls-key", key).want(t, exitUsage, "--addr")
	u.calls("serve", "--addr", "127.0.0.1:0", "--tokens", path, "--tls-cert", key, "--tls-key", cert).want(t, exitUsage, "--tls-cert "+key)
}

func TestFailedLoginsAreLoggedAndLimitedForEachAddress(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	known, err := tokens.Open(u.writes("tokens", adminToken+" admin\n"))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	authenticate := newLogins(&endpoint{known: known}, slog.New(slog.NewTextHandler(&log, nil))).authenticate
	waits := func(err error) bool {
		_, ok := errors.AsType[*httpapi.WaitError](err)
		return ok
	}
	try := func(from, token string) error {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = from
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		_, err := authenticate(r)
		return err
	}
	refused := 0
	for range 30 {
		if waits(try("[2001:db8::1]:1", "a-guess-of-somebody-else")) {
			refused++
		}
	}
	if n := strings.Count(log.String(), "failed login"); n != 10 || refused != 20 || !strings.Contains(log.String(), "from=2001:db8::/64") {
		t.Errorf("of 30 failed logins %d are logged and %d have to wait, want 10 and 20:\n%s", n, refused, log.String())
	}
	if strings.Contains(log.String(), "a-guess") {
		t.Error("the log shows a token")
	}
	if !waits(try("[2001:db8::ffff]:1", "a-guess-of-somebody-else")) {
		t.Error("another address of the same network does not have to wait")
	}
	if waits(try("192.0.2.1:1", "a-guess-of-somebody-else")) {
		t.Error("another address has to wait")
	}
	if err := try("[2001:db8::1]:1", adminToken); err != nil {
		t.Errorf("the token of another client at the same address: %v", err)
	}
	before := log.Len()
	if err := try("192.0.2.2:1", ""); err == nil || log.Len() != before {
		t.Errorf("a request without a token: %v, and a line in the log", err)
	}
}
