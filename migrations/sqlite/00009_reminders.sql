-- +goose Up

-- What owners are told after the warning. A notice that was delivered is on its way again then, in another message.
ALTER TABLE sessioncleanup_notices ADD COLUMN stage INTEGER NOT NULL DEFAULT 0; -- reminders so far

ALTER TABLE sessioncleanup_notices ADD COLUMN deleted_at TEXT; -- when a run deleted the session

ALTER TABLE sessioncleanup_notices ADD COLUMN told_at TEXT; -- when the last message about it was delivered

UPDATE sessioncleanup_notices SET told_at = delivered_at;

DROP INDEX sessioncleanup_notices_owner;

CREATE INDEX sessioncleanup_notices_owner ON sessioncleanup_notices (owner, told_at);
