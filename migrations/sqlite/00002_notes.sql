-- +goose Up

-- Set within the library's own transactions, in which its triggers do nothing. Nobody else ever sees a 1.
ALTER TABLE sessioncleanup_settings ADD COLUMN writing INTEGER NOT NULL DEFAULT 0;
