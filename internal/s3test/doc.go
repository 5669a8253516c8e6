// Package s3test tests package backup/s3 against an S3 server that checks signatures, in this process.
// It is a separate module, so that users of the library do not depend on that server.
package s3test
