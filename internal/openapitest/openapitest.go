// Package openapitest compares httpapi/openapi.yaml with the handler's behavior, with two validators of OpenAPI documents.
// It is a separate module, so that users of the library do not depend on them.
package openapitest
