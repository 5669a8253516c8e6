package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// requestTimeout is how long a channel may take for one message: Standard Webhooks recommends 15 to 30 s.
	requestTimeout = 20 * time.Second
	// longestRetryAfter bounds what a receiver can ask for.
	longestRetryAfter = 24 * time.Hour
	// longestAnswer is how much of an answer is read, in bytes.
	longestAnswer = 16 << 10
)

// poster posts JSON to one URL, which may be a secret and is in none of its errors.
type poster struct {
	name    string // of the channel
	url     string
	client  *http.Client
	timeout time.Duration
	// permanent reports whether a status that is no success would be the same for the same request later. 410 is in any case.
	permanent func(status int) bool
	// verbose adds what the receiver answered to errors: some words that explain a status.
	verbose bool
}

// newPoster posts with a client, or with http.DefaultTransport when it is nil. Redirects are not followed: the URL is to be
// corrected instead.
func newPoster(name, url string, client *http.Client) *poster {
	p := &poster{name: name, url: url, client: &http.Client{}, timeout: requestTimeout, permanent: clientError, verbose: true}
	if client != nil {
		*p.client = *client
	}
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// clientError is poster.permanent for services whose statuses are documented: the request or the URL is wrong.
func clientError(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	default:
		return status < 500
	}
}

// postJSON posts a value.
func (p *poster) postJSON(ctx context.Context, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return &Error{Channel: p.name, Permanent: true, Err: err}
	}
	return p.post(ctx, body, nil)
}

// post posts JSON, with further headers.
func (p *poster) post(ctx context.Context, body []byte, header http.Header) error {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return &Error{Channel: p.name, Permanent: true, Err: withoutURL(err)}
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "sessioncleanup")
	response, err := p.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if limited.Err() != nil {
			err = fmt.Errorf("no answer within %v", p.timeout)
		}
		return &Error{Channel: p.name, Permanent: errors.Is(err, errPrivateAddress), Err: withoutURL(err)}
	}
	defer func() { _ = response.Body.Close() }() // only read
	answer, _ := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	return p.judge(response, answer)
}

// judge is the error of a response, or nil.
func (p *poster) judge(r *http.Response, answer []byte) error {
	if r.StatusCode >= 200 && r.StatusCode < 300 {
		return nil
	}
	failed := &Error{Channel: p.name, Err: fmt.Errorf("the receiver answered %d %s", r.StatusCode, http.StatusText(r.StatusCode))}
	switch {
	case r.StatusCode == http.StatusGone:
		failed.Permanent, failed.Gone = true, true
	case r.StatusCode >= 300 && r.StatusCode < 400:
		failed.Permanent, failed.Err = true, fmt.Errorf("%w; redirects are not followed: correct the URL", failed.Err)
	default:
		failed.Permanent = p.permanent(r.StatusCode)
	}
	if !failed.Permanent {
		failed.RetryAfter = min(cmp.Or(retryAfter(r.Header.Get("Retry-After")), retryAfterIn(answer)), longestRetryAfter)
	}
	if words := oneLine(string(answer), 120); p.verbose && words != "" {
		failed.Err = fmt.Errorf("%w: %q", failed.Err, words)
	}
	return failed
}

// retryAfter reads the header: seconds, which some write with decimals, or a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return inSeconds(seconds)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// retryAfterIn reads the seconds in Discord's answer to too many requests.
func retryAfterIn(answer []byte) time.Duration {
	var limit struct {
		RetryAfter float64 `json:"retry_after"`
	}
	if json.Unmarshal(answer, &limit) != nil {
		return 0
	}
	return inSeconds(limit.RetryAfter)
}

func inSeconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(min(s, longestRetryAfter.Seconds()) * float64(time.Second))
}

// withoutURL is the error of a request without its URL.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
