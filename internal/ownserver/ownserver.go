// Package ownserver runs database servers of the tests' own: as a user without rights, for as long as the test binary lives.
package ownserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Unprivileged is the user to run a server as, which gets its folder: the first of some who exists. nil keeps the current user, unless
// that is root.
func Unprivileged(home string, users ...string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range users {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(home, int(uid), int(gid))
	}
	return nil, fmt.Errorf("running as root, and there is no user %s to run the server as", strings.Join(users, " or "))
}

// Run runs a program that prepares the files of a server in its folder.
func Run(home string, as *syscall.Credential, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}

// Launch starts a shell with a script that runs a server, and returns the function that ends it, waits for that and removes its folder.
// The script must stop the server and remove the folder when its standard input ends, which it does when the test binary does,
// however that happens.
func Launch(home string, as *syscall.Credential, env []string, script string, args ...string) (stop func(), err error) {
	alive, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "ownserver"}, args...)...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = alive
	// A group of its own: an interrupt from the terminal must not reach the server before its script does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	err = cmd.Start()
	_ = alive.Close()
	if err != nil {
		_ = hold.Close()
		return nil, err
	}
	return func() {
		_ = hold.Close()
		_ = cmd.Wait()
		_ = os.RemoveAll(home)
	}, nil
}

// Wait returns when the server answers, or fails with its log after a minute.
func Wait(home string, ping func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(home, "log"))
			return fmt.Errorf("server does not answer: %w\n%s", err, log)
		}
	}
}
