-- What is in the archive.

-- name: list_archived
SELECT id, session, owner, name, archived_at, actor, reason, run_id, row_count, bytes, backed_up_at, held, tags
  FROM sessioncleanup_archive
 WHERE "{condition}"
 ORDER BY id "{direction}"
 LIMIT :limit "{locking}"

-- name: count_archived
SELECT COUNT(*) FROM sessioncleanup_archive WHERE "{condition}"

-- name: archive_size
SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM sessioncleanup_archive

-- name: archived_ids
id IN (:ids)

-- name: archived_session
session = :session

-- name: archived_owner
owner = :owner

-- name: archived_held
held = TRUE

-- name: archived_not_held
held = FALSE

-- name: archived_until
archived_at < :until

-- name: archived_until_by_rules
-- As PurgeBefore: of the rules that apply the earliest moment counts, and one without a moment keeps the entry.
(archived_at < :latest AND COALESCE((
   SELECT IF(COUNT(*) = 0, archived_at < :until, COALESCE(SUM(archived_at < r.before_at), 0) = COUNT(*))
     FROM JSON_TABLE(:purge_rules, '$[*]' COLUMNS (tag VARCHAR(51) CHARACTER SET ascii PATH '$.tag', before_at DATETIME(6) PATH '$.before')) AS r
    WHERE FIND_IN_SET(r.tag, REPLACE(tags, ' ', ',')) > 0), FALSE))

-- name: archived_before
id < :before

-- name: archived_after
id > :after

-- name: archived_backed_up
backed_up_at IS NOT NULL

-- name: archived_not_backed_up
backed_up_at IS NULL

-- name: archived_rows
SELECT id, of_table, unlinked, content FROM sessioncleanup_archive_rows WHERE entry = :entry ORDER BY id LIMIT :limit OFFSET :after

-- name: archived_rows_behind
SELECT id, of_table, unlinked, content FROM sessioncleanup_archive_rows WHERE entry = :entry AND id > :behind ORDER BY id LIMIT :limit

-- name: archived_contents
SELECT id, of_table, unlinked, content, entry FROM sessioncleanup_archive_rows WHERE entry IN (:ids) ORDER BY entry, id

-- name: mark_backed_up
UPDATE sessioncleanup_archive SET backed_up_at = :now WHERE id IN (:ids)

-- name: old_archived
SELECT id, session, owner, name, bytes, archived_at
  FROM sessioncleanup_archive
 WHERE held = FALSE AND archived_at < :latest AND "{behind}" AND "{up_to}" AND "{due}" AND (NOT :backed_up OR backed_up_at IS NOT NULL)
 ORDER BY archived_at, id
 LIMIT :limit FOR UPDATE SKIP LOCKED

-- name: end_of_purge
-- Where a batch ends at the latest, due or not.
SELECT archived_at, id
  FROM sessioncleanup_archive
 WHERE held = FALSE AND archived_at < :latest AND "{behind}"
 ORDER BY archived_at, id
 LIMIT 1 OFFSET :most

-- name: behind_place
archived_at >= :from_at AND (archived_at > :from_at OR id > :from_id)

-- name: up_to_place
archived_at <= :to_at AND (archived_at < :to_at OR id <= :to_id)

-- name: hold_archived
UPDATE sessioncleanup_archive SET held = :held WHERE id IN (:ids)

-- name: put_tombstone
REPLACE INTO sessioncleanup_tombstones (owner, erased_at) VALUES (:owner, :now)

-- name: tombstones
SELECT LOWER(HEX(t.owner)), t.erased_at
  FROM JSON_TABLE(:owners, '$[*]' COLUMNS (hash CHAR(64) CHARACTER SET ascii PATH '$')) AS o
  JOIN sessioncleanup_tombstones AS t ON t.owner = UNHEX(o.hash)

-- name: forget_archived_rows
DELETE FROM sessioncleanup_archive_rows WHERE entry IN (:ids)

-- name: forget_archived
DELETE FROM sessioncleanup_archive WHERE id IN (:ids)
