package webuitest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/webui"
)

// application serves a page of an application, with the element in it and a script.
func (s *site) application(markup, script string) (url string) {
	serve := func(path, mediaType, content string) {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			webui.SetHeaders(w.Header())
			w.Header().Set("Content-Security-Policy", strings.Replace(webui.Policy, "lit-html", "lit-html vue", 1)) // Vue makes a policy of its own
			w.Header().Set("Content-Type", mediaType)
			_, _ = fmt.Fprint(w, content)
		})
	}
	serve("/application/", "text/html; charset=utf-8", `<!doctype html><html lang="fr"><title>An application</title><h1>An application</h1>`+markup+
		`<script type="module" src="/page/session-manager.js"></script><script type="module" src="/application/app.js"></script>`)
	serve("/application/app.js", "text/javascript", script)
	return s.url[:len(s.url)-len("page/")] + "application/"
}

func TestTheElementWorksInPlainHTML(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.application(`<session-manager theme="dark"></session-manager>`, `
		addEventListener("session-manager-login", () => window.asked = true);
		document.querySelector("session-manager").credentials = () => "owner:ann";`), "")
	b.until("$$('.row').length === 5 && text('.sentence').includes('ouvertes')") // in the page's language
	b.click(row("live", "deactivate"))
	b.until("$('.row[data-id=live] .closed')")
	b.click("[data-go=log]")
	b.until("$('[data-event=deactivated]')")
	if hash := js[string](b, "location.hash + location.search"); hash != "" {
		t.Errorf("the element changed the page's address: %s", hash)
	}
	b.click("[data-go=sessions]")
	s.atNextChange(func() { s.expired.Store(true) })
	b.click(row("closing", "deactivate"))
	b.until("window.asked && text('.empty').includes('expiré')")
}

func TestTheElementWorksInReactAndVue(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Frameworks)
	for dir, source := range map[string]string{"react18": "react.js", "react19": "react.js", "vue": "vue.js"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "app.js")
			modules, err := filepath.Abs(dir + "/node_modules")
			if err != nil {
				t.Fatal(err)
			}
			for _, installed := range []string{"../../webui/node_modules", modules} {
				if _, err := os.Stat(installed); err != nil {
					t.Fatalf("%v: scripts/test --all installs it, as does npm ci --ignore-scripts in %s", err, filepath.Dir(installed))
				}
			}
			build := exec.CommandContext(t.Context(), "../../webui/node_modules/.bin/esbuild", source, "--bundle", "--format=esm",
				`--define:process.env.NODE_ENV="production"`, "--outfile="+out, "--log-level=warning")
			build.Env = append(os.Environ(), "NODE_PATH="+modules)
			if said, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			script, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			s := newSite(t, archiving)
			s.annsSessions()
			b := newTab(t, look{})
			b.open(s.application(`<div id="app"></div>`, string(script)), "")
			b.until("$$('.row').length === 5 && text('.sentence').includes('3 open')")
			b.click(row("live", "deactivate"))
			b.until("$('.row[data-id=live] .closed')")
		})
	}
}
