// Package checks has the tests of the examples of deployment. It is a module of its own, so that nobody else gets the
// parsers of Kubernetes' manifests and of Dockerfiles.
package checks
