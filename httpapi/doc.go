// Package httpapi serves a [sessioncleanup.Manager] over HTTP: statistics, the sessions, runs, manual changes by owners and
// admins, the audit log and a live stream. [New] returns an [http.Handler] for any router, under any prefix.
//
//	api, err := httpapi.New(sessions, httpapi.Options{
//		Authenticate: func(r *http.Request) (sessioncleanup.Principal, error) {
//			user, err := currentUser(r)
//			…
//			return sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: user.ID}, nil
//		},
//	})
//	…
//	mux.Handle("/api/session-cleanup/", api)
//
// The handler has no rules of its own: the Manager decides about roles and about what is due. The handler denies by
// default: New fails without Authenticate, and a principal without a known role may do nothing.
//
// docs/http.md describes routes and errors; GET /openapi.yaml below the prefix does the same for programs.
package httpapi
