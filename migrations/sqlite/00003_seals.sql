-- +goose Up

-- The proof that an entry has not changed since it was sealed: random bytes, or what an erasure replaced them with.
ALTER TABLE sessioncleanup_events ADD COLUMN proof BLOB;

UPDATE sessioncleanup_events SET proof = randomblob(16);

-- The seals of the audit log, one for some successive entries. They stay when their entries are forgotten.
CREATE TABLE sessioncleanup_seals (
    number     INTEGER NOT NULL PRIMARY KEY,
    first_id   INTEGER NOT NULL,
    last_id    INTEGER NOT NULL,
    entries    INTEGER NOT NULL,
    newest     TEXT NOT NULL,                  -- the latest time of an entry
    forgotten  INTEGER NOT NULL DEFAULT 0,
    digests    BLOB NOT NULL,                  -- SHA-256 of each entry; of all that, once they are forgotten
    hash       TEXT NOT NULL
);

CREATE INDEX sessioncleanup_seals_newest ON sessioncleanup_seals (newest) WHERE NOT forgotten;
