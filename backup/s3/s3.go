// Package s3 keeps backup files in S3-compatible object storage: Amazon S3, MinIO, Ceph, Cloudflare R2 and others.
//
//	bucket, err := s3.Open("s3://my-bucket/sessions")
//	…
//	backups := backup.New(bucket)
//
// Credentials and the place of the server come from the environment, as the AWS command line has it: AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or the profile AWS_PROFILE of the shared credentials file, or the role of the
// machine, container or Kubernetes service account; AWS_REGION; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL for servers other than
// Amazon's. The program needs s3:PutObject and s3:GetObject, s3:ListBucket to list, and s3:AbortMultipartUpload to clean up
// after an upload that failed. It neither deletes nor overwrites.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

const (
	partSize = 16 << 20 // bytes of an upload that are in memory; S3 takes 10,000 parts
	tries    = 3        // of each request
	amazon   = "https://s3.amazonaws.com"
)

// Bucket is a backup.Sink in a bucket, below a prefix.
type Bucket struct {
	client *minio.Client
	bucket string
	prefix string // empty, or with a slash at its end
}

var _ backup.Sink = (*Bucket)(nil)

// Open returns the bucket and prefix of an address such as s3://bucket/prefix. It does not connect yet.
func Open(address string) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, invalid.Errorf("backup address cannot be read: want s3://BUCKET/PREFIX, with credentials in the environment only") // it may hold some
	}
	endpoint, err := url.Parse(cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), amazon))
	if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || endpoint.User != nil {
		return nil, invalid.Errorf("AWS_ENDPOINT_URL cannot be read: want https://HOST or https://HOST:PORT")
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		}),
		Secure:     endpoint.Scheme == "https",
		Region:     cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		MaxRetries: tries,
	})
	if err != nil {
		return nil, invalid.Errorf("AWS_ENDPOINT_URL cannot be used: %w", err)
	}
	b := &Bucket{client: client, bucket: u.Host}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		b.prefix = prefix + "/"
	}
	return b, nil
}

// String returns the address.
func (b *Bucket) String() string { return "s3://" + b.bucket + "/" + strings.TrimSuffix(b.prefix, "/") }

// Put uploads a file, in parts when it is large.
func (b *Bucket) Put(ctx context.Context, name string, r io.Reader) error {
	_, err := b.client.PutObject(ctx, b.bucket, b.prefix+name, r, -1, minio.PutObjectOptions{PartSize: partSize, ContentType: "application/zstd"})
	return b.explained(err)
}

// Open downloads a file.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	object, err := b.client.GetObject(ctx, b.bucket, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explained(err)
	}
	if _, err := object.Stat(); err != nil { // the first request
		_ = object.Close()
		return nil, b.explained(err)
	}
	return download{object, b}, nil
}

// download is an object whose errors are explained.
type download struct {
	*minio.Object
	b *Bucket
}

func (d download) Read(p []byte) (int, error) {
	n, err := d.Object.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.b.explained(err)
	}
	return n, err
}

// List lists the files below the prefix.
func (b *Bucket) List(ctx context.Context) ([]backup.File, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when it is left early
	defer cancel()
	var all []backup.File
	for object := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix}) {
		if object.Err != nil {
			return nil, b.explained(object.Err)
		}
		if name := strings.TrimPrefix(object.Key, b.prefix); name != "" && !strings.HasSuffix(name, "/") {
			all = append(all, backup.File{Name: name, Size: object.Size})
		}
	}
	return all, nil
}

// explained says what an error of the server means. The server's own words may quote what was sent to it.
func (b *Bucket) explained(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch code := minio.ToErrorResponse(err).Code; code {
	case "": // no answer
		return fmt.Errorf("bucket %s: %w", b.bucket, err)
	case minio.NoSuchBucket:
		return fmt.Errorf("bucket %s: it does not exist", b.bucket)
	case minio.NoSuchKey:
		return fmt.Errorf("bucket %s: %w", b.bucket, fs.ErrNotExist)
	case minio.AccessDenied, "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken":
		return fmt.Errorf("bucket %s: access denied (%s): check the credentials in the environment, and their rights for the bucket", b.bucket, code)
	default:
		return fmt.Errorf("bucket %s: the server answers %s", b.bucket, code)
	}
}
