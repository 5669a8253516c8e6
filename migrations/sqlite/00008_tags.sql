-- +goose Up

-- The tags of sessions, with the session's id as a text. The application may write them, too.
CREATE TABLE sessioncleanup_tags (
    session_id  TEXT NOT NULL,
    tag         TEXT NOT NULL CHECK (length(tag) BETWEEN 1 AND 50 AND tag GLOB '[a-z0-9]*' AND tag NOT GLOB '*[^a-z0-9_.:-]*'),
    PRIMARY KEY (session_id, tag)
) WITHOUT ROWID;

CREATE INDEX sessioncleanup_tags_tag ON sessioncleanup_tags (tag, session_id);
