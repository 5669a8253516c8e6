// Package openapitest holds httpapi/openapi.yaml against what the handler does, with two validators of OpenAPI
// documents. It is a module of its own so that whoever imports the library never sees them.
package openapitest
