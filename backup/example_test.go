package backup_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/backup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func Example() {
	ctx := context.Background()
	path, err := os.MkdirTemp("", "backups")
	if err != nil {
		log.Fatal(err)
	}
	dir, err := backup.NewDir(path)
	if err != nil {
		log.Fatal(err)
	}
	backups := backup.New(dir)
	store := memory.New(memory.Config{})
	if err := store.Put(sessioncleanup.Session{ID: "42", Name: "quiz", Active: true}); err != nil {
		log.Fatal(err)
	}
	config := sessioncleanup.Config{Policy: sessioncleanup.Policy{Archive: sessioncleanup.On}, Backups: backups}
	sessions, err := sessioncleanup.New(store, config)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := sessions.Delete(ctx, "42"); err != nil {
		log.Fatal(err)
	}
	done, err := sessions.Cleanup(ctx, sessioncleanup.Run{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("backed up", done.Backup.Entries)

	// After the database is lost, with a new one:
	if sessions, err = sessioncleanup.New(memory.New(memory.Config{}), config); err != nil {
		log.Fatal(err)
	}
	files, err := backups.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	restored, err := sessions.RestoreBackup(ctx, backups, files[0].Name, sessioncleanup.BackupRestore{SessionIDs: []string{"42"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("restored", restored.Entries[0].Name)
	_ = os.RemoveAll(path)
	// Output:
	// backed up 1
	// restored quiz
}
