package tokens

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// A pass stands for a token until a time: it names the token's entry and the time, and is signed with a key that only those
// have who have the file. So every instance with the same file accepts it, also after a restart, until the token is removed
// from the file. It consists of the entry's name, the time in seconds, and the signature.
const (
	nameSize = 8
	passSize = nameSize + 8 + sha256.Size
)

// NewPass makes a pass for a token, or returns ErrUnknown.
func (t *Tokens) NewPass(token string, until time.Time) (string, sessioncleanup.Principal, error) {
	e, err := t.find(token)
	if err != nil {
		return "", sessioncleanup.Principal{}, err
	}
	name := e.name()
	pass := binary.BigEndian.AppendUint64(name[:], uint64(until.Unix())) //nolint:gosec // a time after 1970
	return base64.RawURLEncoding.EncodeToString(append(pass, e.sign(pass)...)), e.who, nil
}

// Pass returns the principal of a pass, or ErrUnknown once it has ended.
func (t *Tokens) Pass(text string, now time.Time) (sessioncleanup.Principal, error) {
	pass, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(pass) != passSize {
		return sessioncleanup.Principal{}, ErrUnknown
	}
	signed, signature := pass[:nameSize+8], pass[nameSize+8:]
	for i := range t.entries {
		e := &t.entries[i]
		if name := e.name(); !bytes.Equal(name[:], pass[:nameSize]) { // a name is no secret
			continue
		}
		until := binary.BigEndian.Uint64(pass[nameSize:])
		if hmac.Equal(signature, e.sign(signed)) && now.Unix() < int64(until) { //nolint:gosec // signed: a time
			return e.who, nil
		}
	}
	return sessioncleanup.Principal{}, ErrUnknown
}

// name tells entries apart without showing anything of their tokens.
func (e *entry) name() [nameSize]byte {
	sum := sha256.Sum256(append([]byte("sessioncleanup name\n"), e.sum[:]...))
	return [nameSize]byte(sum[:nameSize])
}

func (e *entry) sign(signed []byte) []byte {
	mac := hmac.New(sha256.New, e.sum[:])
	mac.Write([]byte("sessioncleanup pass\n"))
	mac.Write(signed)
	return mac.Sum(nil)
}
