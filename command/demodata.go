package command

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The demo's service: streamers open sessions in which their viewers propose songs.
const demoTables = `
CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL);
CREATE TABLE sessions (
	id INTEGER PRIMARY KEY, streamer_id INTEGER NOT NULL REFERENCES users (id), name TEXT NOT NULL, code TEXT NOT NULL UNIQUE,
	active INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE propositions (
	id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, title TEXT NOT NULL,
	created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX propositions_session ON propositions (session_id);`

const (
	demoOwners   = 40
	demoSessions = 6000
	demoDays     = 90

	demoOwner, demoOwnerName = "30", "mirabeats" // as whom demo --serve lets people log in
)

// sqliteTime is how SQLite's CURRENT_TIMESTAMP writes a time.
const sqliteTime = time.DateTime

// makeDemoDatabase fills a new SQLite file, and returns how many rows of activity it has. The data is the same at every call,
// except for the times, which end at now.
func makeDemoDatabase(ctx context.Context, path string, now time.Time) (activity int, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, demoTables); err != nil {
		return 0, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	g := &demoGenerator{rand: rand.New(rand.NewPCG(1, 2)), now: now.UTC()}
	if err := g.fill(ctx, tx); err != nil {
		return 0, err
	}
	return g.activity, tx.Commit()
}

type demoGenerator struct {
	rand     *rand.Rand
	now      time.Time
	activity int
}

var (
	demoFirst  = []string{"luna", "max", "nova", "pixel", "echo", "rio", "jade", "orion", "kai", "mira"}
	demoSecond = []string{"plays", "live", "beats", "tv"}
	demoTopics = []string{"Friday requests", "Chill evening", "Rock night", "Speedrun music", "Morning coffee", "80s special", "Community choice", "Late show"}
	demoSongs  = []string{"Blue Monday", "Clair de lune", "Africa", "Nuvole bianche", "Take on me", "La bohème", "Paranoid", "So what"}
)

func (g *demoGenerator) fill(ctx context.Context, tx *sql.Tx) error {
	for i := range demoOwners {
		name := demoFirst[i%len(demoFirst)] + demoSecond[i/len(demoFirst)]
		if _, err := tx.ExecContext(ctx, `INSERT INTO users (id, username) VALUES (?, ?)`, i+1, name); err != nil {
			return err
		}
	}
	session, err := tx.PrepareContext(ctx, `INSERT INTO sessions (id, streamer_id, name, code, active, created_at) VALUES (?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	proposition, err := tx.PrepareContext(ctx, `INSERT INTO propositions (session_id, title, created_at) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = proposition.Close() }()
	for id := 1; id <= demoSessions; id++ {
		if err := g.session(ctx, id, session, proposition); err != nil {
			return err
		}
	}
	return nil
}

// session adds one session with its propositions. One in four is in use to this day; the others were used for
// some hours, and about eight in ten of those were closed by their owner, the rest forgotten.
func (g *demoGenerator) session(ctx context.Context, id int, session, proposition *sql.Stmt) error {
	opened := g.now.Add(-time.Duration(g.rand.Float64() * demoDays * 24 * float64(time.Hour)))
	length := time.Duration((0.5 + g.rand.ExpFloat64()*6) * float64(time.Hour))
	inUse := g.rand.IntN(4) == 0
	if inUse {
		length = g.now.Sub(opened)
	}
	closed := !inUse && g.rand.IntN(10) < 8
	owner := 1 + int(float64(demoOwners)*g.rand.Float64()*g.rand.Float64()) // some own many more than others
	if _, err := session.ExecContext(ctx, id, owner, demoTopics[g.rand.IntN(len(demoTopics))], fmt.Sprintf("S%05X", id*7919),
		!closed, opened.Format(sqliteTime)); err != nil {
		return err
	}
	for i := range g.rand.IntN(8) + 1 {
		at := opened.Add(time.Duration(g.rand.Float64() * float64(length)))
		if inUse && i == 0 {
			at = g.now.Add(-time.Duration(g.rand.Float64() * 20 * float64(time.Hour)))
		}
		if at.After(g.now) || at.Before(opened) {
			continue
		}
		if _, err := proposition.ExecContext(ctx, id, demoSongs[g.rand.IntN(len(demoSongs))], at.Format(sqliteTime)); err != nil {
			return err
		}
		g.activity++
	}
	return nil
}
