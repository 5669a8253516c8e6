//go:build unix

package tokens

import (
	"io/fs"
	"syscall"
)

// ownerOf is the user whom a file belongs to; false when the system does not tell.
func ownerOf(info fs.FileInfo) (user int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
