-- How old sessions get their last activity: the newest time that is known of each, once, in short transactions.

-- name: backfill_source
SELECT c."{session}"::"{id_type}" AS session_id, max("{at}") AS at FROM "{source}" c WHERE c."{session}" IS NOT NULL GROUP BY 1

-- name: backfill_table
-- One scan of each activity table, whatever indexes it has.
CREATE TABLE "{backfill}" AS
SELECT u.session_id, max(u.at) AS at FROM ("{backfill_union}") u WHERE u.session_id IS NOT NULL GROUP BY u.session_id;
ALTER TABLE "{backfill}" ADD PRIMARY KEY (session_id);

-- name: backfill_empty
CREATE TABLE "{backfill}" (session_id "{id_type}" PRIMARY KEY, at timestamptz);

-- name: backfill_chunk
-- Rows that another transaction has locked are left to another pass.
WITH chunk AS (
    SELECT s."{id}" AS id
      FROM "{sessions}" s
     WHERE $1::text IS NULL OR s."{id}" > $1::text::"{id_type}"
     ORDER BY s."{id}"
     LIMIT $2::integer
), free AS (
    SELECT s."{id}" AS id
      FROM "{sessions}" s
     WHERE s."{id}" IN (SELECT c.id FROM chunk c) AND s."{last_activity}" IS NULL
       FOR NO KEY UPDATE OF s SKIP LOCKED
), written AS (
    UPDATE "{sessions}" s
       SET "{last_activity}" = coalesce(least(greatest("{updated_at_out}", "{created_at_out}", b.at), now()), now()) "{last_activity_in}"
      FROM free f LEFT JOIN "{backfill}" b ON b.session_id = f.id
     WHERE s."{id}" = f.id
    RETURNING 1
)
SELECT (SELECT c.id::text FROM chunk c ORDER BY c.id DESC LIMIT 1), (SELECT count(*) FROM chunk), (SELECT count(*) FROM written);

-- name: backfill_all
UPDATE "{sessions}" s
   SET "{last_activity}" = coalesce(least(greatest("{updated_at_out}", "{created_at_out}",
           (SELECT b.at FROM "{backfill}" b WHERE b.session_id = s."{id}")), now()), now()) "{last_activity_in}"
 WHERE s."{last_activity}" IS NULL;

-- name: backfill_missing
SELECT EXISTS (SELECT FROM "{sessions}" s WHERE s."{last_activity}" IS NULL);
