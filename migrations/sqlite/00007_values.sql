-- +goose Up

-- Named values that processes share, as JSON: figures that are expensive to count, and the history of runs.
CREATE TABLE sessioncleanup_values (
    name     TEXT NOT NULL PRIMARY KEY,
    version  INTEGER NOT NULL, -- rises by one with each change
    data     TEXT NOT NULL
);
