package apitest

import (
	"net/http"
	"strings"
	"testing"
)

// languages are English and French, according to Accept-Language.
func languages(t *testing.T, observe Observer) {
	w := newWorld(t, observe)
	const en, fr = "There is no such session.", "Cette session n'existe pas."
	for header, want := range map[string]string{
		"": en, "en": en, "fr": fr, "FR": fr, "fr-CH, fr;q=0.9, en;q=0.8": fr, "en-GB,en;q=0.9,fr;q=0.8": en,
		"de": en, "de, fr;q=0.5": fr, "*": en, "fr;q=0": en, "fr;q=0.2, *;q=0.1": fr, "fr;q=x": en, ";;,,q=": en, "fr ; q=1": fr,
	} {
		a := w.getWith(admin, "/"+Nobody, "Accept-Language", header).want(http.StatusNotFound)
		language := map[string]string{en: "en", fr: "fr"}[want]
		if a.str("error") != want || a.header.Get("Content-Language") != language {
			t.Errorf("Accept-Language %q: %q in %q, want %q", header, a.str("error"), a.header.Get("Content-Language"), want)
		}
	}
	french := func(method, path, body string) answer {
		t.Helper()
		return w.do(request{as: admin, method: method, path: path, body: body, header: map[string]string{"Accept-Language": "fr"}})
	}
	for want, a := range map[string]answer{
		"limit vaut":               french(http.MethodGet, "/view?limit=x", ""),
		"Session désactivée.":      french(http.MethodPatch, "/2/deactivate", ""),
		"À supprimer : 1":          french(http.MethodPost, "/cleanup", `{"dry_run":true}`),
		"plus de 1.5 heure, ou":    french(http.MethodPost, "/cleanup", `{"dry_run":true,"inactive_hours":1.5}`),
		"attendu l'un de add":      french(http.MethodPatch, "/2/tags", `{"nonsense":1}`),
		"définitive":               french(http.MethodDelete, "/2", ""),
		"n'accepte pas":            french(http.MethodPost, "/stats", ""),
		"n'est pas un objet JSON":  french(http.MethodPost, "/cleanup", `[`),
		"page précédente":          french(http.MethodGet, "/view?cursor=x", ""),
		`"cleanup_status":"À supp`: french(http.MethodGet, "/view?status=to_delete", ""),
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s in French: want %q in %s", a.what, want, a.body)
		}
	}
}
