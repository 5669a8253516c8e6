// Package httpapi serves a [sessioncleanup.Manager] over HTTP: statistics, the sessions, runs, what owners and admins
// change by hand, the audit log and a live stream. [New] gives an [http.Handler] for any router, under any prefix.
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
// The handler decides nothing: who may do what, and what is due, is the Manager's business. It denies by default:
// without Authenticate there is no handler, and a principal without a known role may do nothing.
//
// docs/http.md describes routes and errors; GET /openapi.yaml below the prefix serves the same for programs.
package httpapi
