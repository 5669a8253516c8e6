-- name: list_seals
SELECT number, first_id, last_id, entries, newest, forgotten, digests, hash FROM sessioncleanup_seals
 WHERE number > :after ORDER BY number LIMIT :limit

-- name: last_seal
SELECT number, first_id, last_id, entries, newest, forgotten, digests, hash FROM sessioncleanup_seals
 ORDER BY number DESC LIMIT 1

-- name: insert_seal
INSERT INTO sessioncleanup_seals (number, first_id, last_id, entries, newest, digests, hash)
VALUES (:number, :first, :last, :entries, :newest, :digests, :hash)

-- name: list_entries
SELECT id, at, action, actor, reason, run_id, COALESCE(sessions, ''), COALESCE(run, ''), proof
  FROM sessioncleanup_events
 WHERE id > :after AND id <= :through
 ORDER BY id
 LIMIT :limit

-- name: erase_entry
-- The filter is left out of the summary of a run; everything else in it stays as it is written.
UPDATE sessioncleanup_events
   SET actor = :actor, reason = :reason, sessions = :sessions, proof = :proof,
       run = CASE WHEN :filtered THEN run ELSE JSON_REMOVE(run, '$.filter') END
 WHERE id = :id

-- name: old_seals
-- Those of which all entries are old.
SELECT number, first_id, last_id, entries, newest, forgotten, digests, hash FROM sessioncleanup_seals
 WHERE NOT forgotten AND newest < :before ORDER BY newest LIMIT :limit

-- name: forget_seal
UPDATE sessioncleanup_seals SET forgotten = TRUE, digests = :digests WHERE number = :number

-- name: forget_sealed
DELETE FROM sessioncleanup_events WHERE id BETWEEN :first AND :last

-- name: lock_log
SELECT last FROM sessioncleanup_counter WHERE id = 2 FOR UPDATE
