-- Migrate compares indexes, triggers and the view with the database, word for word, and recreates those that differ.
-- Nothing in them needs a SQLite newer than 3.25: another program that opens the database reads its whole schema and fails
-- on what it does not know.
--
-- The first three indexes hold the sessions that may become due, in the order in which runs take them. A statement can
-- use an index only if it repeats the index's expressions and conditions word for word: sqlite/sql/rules.sql does. The
-- rowid is part of each index without being named; a table without one needs the id in its place.

-- name: index_idle
CREATE INDEX sessioncleanup_idle ON "{sessions}" ("{last_activity_at}""{key_in_index}")
 WHERE "{running}""{if_unclassed}"

-- name: index_expired
CREATE INDEX sessioncleanup_expired ON "{sessions}" ("{expires_at_at}""{key_in_index}")
 WHERE "{running}" AND "{has_expires_at}""{if_unclassed}"

-- name: index_gone
-- Those whose deactivation is not known come first.
CREATE INDEX sessioncleanup_gone ON "{sessions}" ("{kept_since}""{key_in_index}")
 WHERE "{ended}""{if_unclassed}"

-- name: index_ended
-- This one, the next and that of the idle ones hold each session once, in the order of a list.
CREATE INDEX sessioncleanup_ended ON "{sessions}" ("{last_activity_at}""{key_in_index}")
 WHERE "{ended}""{if_unclassed}"

-- name: index_protected
CREATE INDEX sessioncleanup_protected ON "{sessions}" ("{last_activity_at}", "{active}""{key_in_index}")
 WHERE "{protected}""{if_unclassed}"

-- name: index_class_idle
-- Where the policy has rules by tag, each session is in one of the indexes above, or has a class and is in those below.
CREATE INDEX sessioncleanup_class_idle ON "{sessions}" ("{class}", "{last_activity_at}""{key_in_index}")
 WHERE "{running}" AND "{has_class}"

-- name: index_class_expired
CREATE INDEX sessioncleanup_class_expired ON "{sessions}" ("{class}", "{expires_at_at}""{key_in_index}")
 WHERE "{running}" AND "{has_expires_at}" AND "{has_class}"

-- name: index_class_gone
CREATE INDEX sessioncleanup_class_gone ON "{sessions}" ("{class}", "{kept_since}""{key_in_index}")
 WHERE "{ended}" AND "{has_class}"

-- name: index_classed
-- In the order of a list.
CREATE INDEX sessioncleanup_classed ON "{sessions}" ("{last_activity_at}""{key_in_index}")
 WHERE "{has_class}"

-- name: index_of_column
CREATE INDEX "{name}" ON "{table}" ("{column}")
