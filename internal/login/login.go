// Package login is the login of the page: a form for a bearer token, and the cookie that stands for it from then on.
package login

import (
	_ "embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/tokens"
	"github.com/sessioncleanup/sessioncleanup/webui"
)

const (
	cookieName = "sessioncleanup_login"
	// lasts is how long a login lasts: a working day.
	lasts = 8 * time.Hour
	// largest is the size of the form in bytes.
	largest = 8 << 10
)

// Login logs users in to a page.
type Login struct {
	Known *tokens.Tokens
	JWT   *Verifier // of JSON Web Tokens, which the form takes, too; nil: none
	Log   *slog.Logger
	// Failed is called for each failed login with its reason, and returns how long its client has to wait.
	Failed func(*http.Request, error) time.Duration
	// Shortcuts are logins that the form offers to everybody: the demo's.
	Shortcuts []Shortcut
}

// Shortcut is a login that needs no typing.
type Shortcut struct{ Name, Token string }

// Authenticate returns the principal of a request's cookie, or a tokens.ErrUnknown.
func (l *Login) Authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return sessioncleanup.Principal{}, tokens.ErrUnknown
	}
	if l.JWT != nil && l.JWT.looks(cookie.Value) {
		who, _, err := l.JWT.principal(cookie.Value, time.Now())
		return who, err
	}
	return l.Known.Pass(cookie.Value, time.Now())
}

// pass is what a cookie has for a token, whose it is, and for how long.
func (l *Login) pass(token string, now time.Time) (value string, who sessioncleanup.Principal, until time.Time, err error) {
	if l.JWT != nil && l.JWT.looks(token) { // it says itself until when it is valid
		who, until, err = l.JWT.principal(token, now)
		return token, who, until, err
	}
	until = now.Add(lasts)
	value, who, err = l.Known.NewPass(token, until)
	return value, who, until, err
}

// Routes adds the form, at /login, and the way out, a POST to /logout. A page of another site can use neither.
func (l *Login) Routes(mux *http.ServeMux) {
	own := http.NewCrossOriginProtection()
	mux.Handle("GET /login", http.HandlerFunc(l.show))
	mux.Handle("POST /login", own.Handler(http.HandlerFunc(l.enter)))
	mux.Handle("POST /logout", own.Handler(http.HandlerFunc(l.leave)))
}

func (l *Login) show(w http.ResponseWriter, r *http.Request) { l.form(w, r, http.StatusOK, "") }

func (l *Login) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, largest)
	t := textsFor(r)
	if err := r.ParseForm(); err != nil {
		l.form(w, r, http.StatusBadRequest, t.Unknown)
		return
	}
	now := time.Now()
	value, who, until, err := l.pass(strings.TrimSpace(r.PostForm.Get("token")), now)
	if err != nil {
		switch wait := l.Failed(r, err); {
		case wait > 0:
			l.form(w, r, http.StatusTooManyRequests, t.Wait)
		case errors.Is(err, sessioncleanup.ErrForbidden):
			l.form(w, r, http.StatusForbidden, t.NoRole)
		default:
			l.form(w, r, http.StatusUnauthorized, t.Unknown)
		}
		return
	}
	l.Log.InfoContext(r.Context(), "logged in", "actor", who.Actor())
	http.SetCookie(w, cookieFor(r, value, int(min(lasts, max(until.Sub(now), time.Second)).Seconds())))
	to(w, "./")
}

func (l *Login) leave(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookieFor(r, "", -1))
	to(w, "login")
}

// cookieFor is the cookie with a value, or its end. A proxy that ends TLS says so; a client that claims it harms only itself.
func cookieFor(r *http.Request, value string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// to redirects relative to the page, below whatever prefix a proxy strips.
func to(w http.ResponseWriter, where string) {
	w.Header().Set("Location", where)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

//go:embed login.html
var page string

var form = template.Must(template.New("login").Parse(page))

// texts are those of the form in one language.
type texts struct{ Title, Lead, Token, Button, Demo, Unknown, NoRole, Wait string }

var (
	english = texts{
		"Log in", "See and manage your sessions.", "Token", "Log in", "This is a demo. Look around as:",
		"This token is not known. Check it, or ask whoever runs this server for a new one.",
		"This token has no role here, or no user ID. Ask whoever runs this server for one.", "Too many failed logins from your address. Try again in a minute.",
	}
	french = texts{
		"Connexion", "Voir et gérer vos sessions.", "Jeton", "Se connecter", "Ceci est une démonstration. Entrez en tant que :",
		"Ce jeton est inconnu. Vérifiez-le ou demandez-en un nouveau à la personne qui gère ce serveur.",
		"Ce jeton ne donne aucun rôle ici, ou n'indique aucun utilisateur. Adressez-vous à la personne qui gère ce serveur.",
		"Trop d'échecs de connexion depuis votre adresse. Réessayez dans une minute.",
	}
)

func textsFor(r *http.Request) texts {
	if webui.LanguageOf(r) == "fr" {
		return french
	}
	return english
}

func (l *Login) form(w http.ResponseWriter, r *http.Request, status int, failure string) {
	h := w.Header()
	webui.SetHeaders(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	err := form.Execute(w, struct {
		Lang, Failure string
		T             texts
		Shortcuts     []Shortcut
	}{webui.LanguageOf(r), failure, textsFor(r), l.Shortcuts})
	if err != nil { // the client has disconnected
		l.Log.DebugContext(r.Context(), "login form was not sent", "error", err)
	}
}
