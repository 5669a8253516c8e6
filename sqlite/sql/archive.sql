-- The archive. A deletion first finds all rows that it reaches, in a table that only its connection sees.

-- name: find_archived
CREATE TEMP TABLE sessioncleanup_found AS
WITH RECURSIVE sessioncleanup_gone(root, t, "{columns}") AS (
    SELECT "{id}", 0, "{keys}""{padding}" FROM "{sessions}" WHERE "{id}" IN (SELECT "{listed_id}" FROM json_each(:ids))"{steps}")
SELECT min(root) AS root, t, "{columns}" FROM sessioncleanup_gone WHERE root IS NOT NULL GROUP BY t, "{columns}" ORDER BY t, root

-- name: find_step

    UNION
    SELECT "{root}", "{child_number}", "{child_key}"
      FROM sessioncleanup_gone CROSS JOIN "{parent}" AS p ON sessioncleanup_gone.t = "{parent_number}" AND "{same_parent}"
     CROSS JOIN "{child}" AS c ON "{refers}"

-- name: index_found
CREATE INDEX temp.sessioncleanup_found_key ON sessioncleanup_found (t, "{columns}")

-- name: forget_found
DROP TABLE temp.sessioncleanup_found

-- name: found_sessions
SELECT "{id_text}", "{owner_text}", "{name_text}"
  FROM temp.sessioncleanup_found AS f CROSS JOIN "{sessions}" ON f.t = 0 AND "{id}" = f.root AND "{same_session}"
 ORDER BY f.rowid

-- name: found_rows
SELECT f.rowid, "{root_text}", "{values}"
  FROM temp.sessioncleanup_found AS f CROSS JOIN "{child}" AS c ON "{same_child}"
 WHERE f.t = "{child_number}" AND f.rowid > :after
 ORDER BY f.rowid
 LIMIT :limit + 0

-- name: found_unlinked
SELECT f.rowid, "{root_text}", "{values}"
  FROM (SELECT rowid, * FROM temp.sessioncleanup_found WHERE t = "{parent_number}" AND rowid > :after ORDER BY rowid LIMIT :limit + 0) AS f
 CROSS JOIN "{parent}" AS p ON "{same_parent}"
 CROSS JOIN "{child}" AS c ON "{refers}"
 WHERE NOT EXISTS (SELECT 1 FROM temp.sessioncleanup_found AS g WHERE g.t = "{child_number}" AND "{same_found}")
 ORDER BY f.rowid

-- name: last_found
SELECT coalesce(max(rowid), 0)
  FROM (SELECT rowid FROM temp.sessioncleanup_found WHERE t = :number + 0 AND rowid > :after ORDER BY rowid LIMIT :limit + 0)

-- name: number_entries
UPDATE sessioncleanup_archive_numbers SET last = last + :count RETURNING last

-- name: insert_archived_rows
INSERT INTO sessioncleanup_archive_rows (entry, number, "table", unlinked, "row") VALUES (:entry, :number, :table, :unlinked, :rows)

-- name: insert_archived
INSERT INTO sessioncleanup_archive (id, session, owner, name, archived_at, actor, reason, run_id, row_count, bytes, tags)
VALUES (:id, :session, :owner, :name, :at, :actor, :reason, :run_id, :row_count, :bytes,
        coalesce((SELECT group_concat(tag, ' ') FROM (SELECT tag FROM sessioncleanup_tags WHERE session_id = :session ORDER BY tag)), ''))

-- name: list_archived
SELECT id, session, owner, name, archived_at, actor, reason, run_id, row_count, bytes, coalesce(backed_up_at, ''), held, tags
  FROM sessioncleanup_archive
 WHERE "{condition}"
 ORDER BY id "{direction}"
 LIMIT :limit + 0 "{locking}"

-- name: count_archived
SELECT count(*) FROM sessioncleanup_archive WHERE "{condition}"

-- name: archive_size
SELECT count(*), coalesce(sum(bytes), 0) FROM sessioncleanup_archive

-- name: archived_ids
id IN (SELECT value FROM json_each(:ids))

-- name: archived_session
session = :session

-- name: archived_owner
owner = :owner

-- name: archived_held
held

-- name: archived_not_held
NOT held

-- name: archived_until
archived_at < :until

-- name: archived_until_by_rules
-- The earliest moment of the rules for its tags; none at all is the earliest. The first condition is for the index.
archived_at < :latest
 AND archived_at < coalesce((SELECT min(coalesce(json_extract(value, '$.before'), ''))
                               FROM json_each(:purge_rules)
                              WHERE instr(' ' || tags || ' ', ' ' || json_extract(value, '$.tag') || ' ') > 0), :until, '')

-- name: archived_before
id < :before

-- name: archived_after
id > :after

-- name: archived_backed_up
backed_up_at IS NOT NULL

-- name: archived_not_backed_up
backed_up_at IS NULL

-- name: archived_rows
SELECT r.number + n.key, r."table", r.unlinked, n.value
  FROM sessioncleanup_archive_rows AS r CROSS JOIN json_each(r."row") AS n
 WHERE r.entry = :entry AND r.number + json_array_length(r."row") > :after + 1 AND r.number + n.key > :after
 ORDER BY r.number, n.key
 LIMIT :limit + 0

-- name: archived_contents
SELECT r.entry, r.number + n.key, r."table", r.unlinked, n.value
  FROM sessioncleanup_archive_rows AS r CROSS JOIN json_each(r."row") AS n
 WHERE r.entry IN (SELECT value FROM json_each(:ids))
 ORDER BY r.entry, r.number, n.key

-- name: mark_backed_up
UPDATE sessioncleanup_archive SET backed_up_at = :now WHERE id IN (SELECT value FROM json_each(:ids))

-- name: old_archived
SELECT id, session, owner, name, bytes, archived_at
  FROM sessioncleanup_archive
 WHERE NOT held AND archived_at < :latest AND "{behind}" AND "{up_to}" AND "{due}" AND (NOT :backed_up OR backed_up_at IS NOT NULL)
 ORDER BY archived_at, id
 LIMIT :limit + 0

-- name: end_of_purge
-- Where a batch ends at the latest, due or not.
SELECT archived_at, id
  FROM sessioncleanup_archive
 WHERE NOT held AND archived_at < :latest AND "{behind}"
 ORDER BY archived_at, id
 LIMIT 1 OFFSET :most

-- name: behind_place
archived_at >= :from_at AND (archived_at > :from_at OR id > :from_id)

-- name: up_to_place
archived_at <= :to_at AND (archived_at < :to_at OR id <= :to_id)

-- name: hold_archived
UPDATE sessioncleanup_archive SET held = :held WHERE id IN (SELECT value FROM json_each(:ids))

-- name: put_tombstone
INSERT INTO sessioncleanup_tombstones (owner, erased_at) VALUES (:owner, :now)
    ON CONFLICT (owner) DO UPDATE SET erased_at = excluded.erased_at

-- name: tombstones
SELECT lower(hex(owner)), erased_at FROM sessioncleanup_tombstones WHERE owner IN (SELECT unhex(value) FROM json_each(:owners))

-- name: forget_archived_rows
DELETE FROM sessioncleanup_archive_rows WHERE entry IN (SELECT value FROM json_each(:ids))

-- name: forget_archived
DELETE FROM sessioncleanup_archive WHERE id IN (SELECT value FROM json_each(:ids))

-- name: restore_row
-- An ON CONFLICT clause of the table must not decide what becomes of the row, or of another one.
INSERT OR ABORT INTO "{table}" ("{columns}") VALUES ("{values}")

-- name: default_id
SELECT "{value}"

-- name: last_id
SELECT coalesce(max("{id}"), 0) FROM "{sessions}"

-- name: last_sequence
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = :table), 0)

-- name: new_id
-- A new ID as a text, and whether a session has it, or had it when it was archived.
SELECT "{new_id_text}",
       EXISTS (SELECT 1 FROM "{sessions}" WHERE "{id}" = :new) OR EXISTS (SELECT 1 FROM sessioncleanup_archive WHERE session = "{new_id_text}")

-- name: ends_restored
-- Whether the session is restored as active with an expiry that has passed.
SELECT coalesce("{active}" IS NOT 0 AND "{expires_at_at}" <= :now, 0)
  FROM (SELECT :active AS "{active_column}", :expires_at AS "{expires_at_column}") AS "{sessions}"

-- name: orphaned
-- Whether a row that was restored refers to one that is not there.
SELECT EXISTS (SELECT 1 FROM "{child}" AS c
                WHERE "{is_row}" AND "{is_set}" AND NOT EXISTS (SELECT 1 FROM "{parent}" AS p WHERE "{refers}"))

-- name: relink
UPDATE "{table}" SET "{set}" WHERE "{row}" IN (SELECT "{key}" FROM "{table}" WHERE "{is_row}" AND "{unlinked}" LIMIT 1)
