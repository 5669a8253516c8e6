package webuitest

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// demo starts the command's demo and returns the URL of its page.
func demo(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sessioncleanup")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/sessioncleanup")
	build.Dir = "../.." // another module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "demo", "--serve", "--addr", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	said, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+`).FindString(said)
	if url == "" {
		t.Fatalf("the demo says %q, %v", said, err)
	}
	return url
}

func TestTheDemoIsOpenToAnAdminAndAnOwner(t *testing.T) {
	t.Parallel()
	url := demo(t)
	b := newTab(t, look{width: 320, height: 720})
	b.open(url, "")
	b.until("$('.empty a[href=login]')")
	b.click(".empty a")
	b.until("document.querySelector('#token')")
	b.accessible("login")
	b.save("login")
	b.send(chromedp.SendKeys("#token", "a-token-that-nobody-has\r", chromedp.ByQuery))
	b.until("document.querySelector('[role=alert]')?.innerText.includes('not known')")

	b.send(chromedp.Click("form:nth-of-type(3) button", chromedp.ByQuery))
	b.until("text('.sentence').includes('open') && $$('.row').length === 20 && $('.pulse.on')")
	if cookies := js[string](b, "document.cookie"); strings.Contains(cookies, "sessioncleanup") {
		t.Errorf("scripts can read the login: %s", cookies)
	}
	if status := js[int](b, "fetch('api/session-cleanup/stats?owner=1').then(r => r.status)"); status != 403 {
		t.Errorf("an owner reads another's statistics: %d", status)
	}
	b.click("form[action=logout] button")
	b.until("document.querySelector('#token')")
	if status := js[int](b, "fetch('api/session-cleanup/me').then(r => r.status)"); status != 401 {
		t.Errorf("after logging out: %d, want 401", status)
	}

	b.send(chromedp.Click("form:nth-of-type(2) button", chromedp.ByQuery))
	b.until("$('[data-go=overview]') && text('.lead').includes('Next run tomorrow') && text('.tiles').includes('Protected')")
}
