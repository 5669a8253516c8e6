// Package checks tests the deployment examples. It is a separate module, so that users of the library do not depend on
// parsers of Kubernetes manifests and Dockerfiles.
package checks
