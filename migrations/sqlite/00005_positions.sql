-- +goose Up

-- How far each consumer has read the audit log: the id of an event.
CREATE TABLE sessioncleanup_positions (
    consumer  TEXT NOT NULL PRIMARY KEY,
    position  INTEGER NOT NULL
);
