// Package demo is shared by the examples: a service with a few sessions and a login.
package demo

import (
	"errors"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// API is a handler over three sessions in memory. A real service opens its database with package store.
func API() (http.Handler, error) {
	db := memory.New(memory.Config{})
	now := time.Now()
	err := db.Put(
		sessioncleanup.Session{ID: "1", Name: "quiz", OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: now},
		sessioncleanup.Session{ID: "2", Name: "poll", OwnerID: "ann", Active: true, AutoCleanup: true, LastActivity: now.AddDate(0, 0, -2)},
		sessioncleanup.Session{ID: "room/3", Name: "chat", OwnerID: "bob", Active: true, AutoCleanup: true, LastActivity: now},
	)
	if err != nil {
		return nil, err
	}
	sessions, err := sessioncleanup.New(db, sessioncleanup.Config{})
	if err != nil {
		return nil, err
	}
	return httpapi.New(sessions, httpapi.Options{Authenticate: authenticate})
}

// authenticate returns the principal of a request. A real service checks its own cookie or token here.
func authenticate(r *http.Request) (sessioncleanup.Principal, error) {
	switch user, _, _ := r.BasicAuth(); user {
	case "root":
		return sessioncleanup.Principal{Role: sessioncleanup.RoleAdmin, ID: user}, nil
	case "ann", "bob":
		return sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: user}, nil
	default:
		return sessioncleanup.Principal{}, errors.New("nobody is logged in")
	}
}
