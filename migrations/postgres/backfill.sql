-- How old sessions get their last activity: the newest time that is known of each, once, in short transactions.
-- A last activity that the application keeps itself stays, unless its other tables show that it lags behind.

-- name: backfill_source
SELECT c."{session}"::"{id_type}" AS session_id, max("{at}") AS at FROM "{source}" c WHERE c."{session}" IS NOT NULL GROUP BY 1

-- name: backfill_or_now
coalesce("{at}", now())

-- name: backfill_used_now
-- Of a table without times: each of its sessions may have been used until now.
SELECT DISTINCT c."{session}"::"{id_type}" AS session_id, now() AS at FROM "{source}" c WHERE c."{session}" IS NOT NULL

-- name: backfill_all_used_now
-- Of a table that is not read: each session may have been used until now.
SELECT s."{id}" AS session_id, now() AS at FROM "{sessions}" s

-- name: backfill_table
-- One scan of each activity table, whatever indexes it has.
CREATE TABLE "{backfill}" AS
SELECT u.session_id, max(u.at) AS at FROM ("{backfill_union}") u WHERE u.session_id IS NOT NULL GROUP BY u.session_id;
ALTER TABLE "{backfill}" ADD PRIMARY KEY (session_id);

-- name: backfill_empty
CREATE TABLE "{backfill}" (session_id "{id_type}" PRIMARY KEY, at timestamptz);

-- name: backfill_known
-- When a session was last used, as far as the database shows: now, while there are rows that are not read.
CASE WHEN "{unread}" THEN now() ELSE coalesce(least(greatest("{updated_by_out}", "{created_by_out}", b.at), now()), now()) END

-- name: backfill_refill
(s."{last_activity}" = "{refilled}"::"{last_activity_type}" AND "{backfill_known}" < "{last_activity_out}")

-- name: backfill_undated
-- Inactive since before the adoption.
("{not_active}" AND s."{deactivated_at}" IS NULL)

-- name: backfill_unknown
-- Sessions whose last activity is not known, or is the moment at which an earlier migration filled it in.
(s."{last_activity}" IS NULL OR "{backfill_refill}" OR "{last_activity_early}" AND "{created_at_out}" IS NULL)

-- name: backfill_lost
-- Sessions of a table that was rebuilt, or that were inserted before it got its default again.
(s."{last_activity}" IS NULL)

-- name: backfill_later
-- The newest activity that the database shows, where the application's own column of last activities lags behind it.
CASE WHEN coalesce(b.at, "{observed_at_out}") IS NOT NULL THEN least(greatest(b.at, "{observed_at_out}"), now()) END

-- name: backfill_lags
coalesce("{backfill_later}" > "{last_activity_out}" + "{backfill_patience}", false)

-- name: backfill_revived
-- Made active again while no trigger noticed it, at an unknown time.
("{is_active}" AND s."{deactivated_at}" IS NOT NULL)

-- name: backfill_needed
("{visible}" AND ("{backfill_unknown}" OR "{backfill_lags}" OR "{backfill_undated}" OR "{backfill_revived}"))

-- name: backfill_set
"{last_activity}" = CASE WHEN "{backfill_revived}" THEN greatest(s."{last_activity}", now() "{last_activity_in}") WHEN "{backfill_unknown}" THEN "{backfill_known}" "{last_activity_in}" WHEN "{backfill_lags}" THEN "{backfill_later}" "{last_activity_in}"
                           ELSE s."{last_activity}" END,
           "{deactivated_at}" = CASE WHEN "{backfill_revived}" THEN NULL WHEN "{backfill_undated}" THEN pg_catalog.timestamptz 'epoch' "{deactivated_at_in}" ELSE s."{deactivated_at}" END

-- name: backfill_chunk
-- Rows that another transaction has locked are left to another pass. The search path is that of the application's triggers.
WITH chunk AS (
    SELECT s."{id}" AS id
      FROM "{sessions}" s
     WHERE $1::text IS NULL OR s."{id}" "{id_after}" $1::text::"{id_type}"
     ORDER BY s."{id}"
     LIMIT $2::integer
), free AS (
    SELECT s."{id}" AS id, b.at
      FROM chunk c JOIN "{sessions}" s ON s."{id}" "{id_eq}" c.id LEFT JOIN "{backfill}" b ON b.session_id "{id_eq}" s."{id}"
     WHERE "{backfill_needed}"
       FOR NO KEY UPDATE OF s SKIP LOCKED
), written AS (
    UPDATE "{sessions}" s
       SET "{backfill_set}"
      FROM free b
     WHERE s."{id}" "{id_eq}" b.id
    RETURNING 1
)
SELECT (SELECT c.id::text FROM chunk c ORDER BY c.id DESC LIMIT 1), (SELECT count(*) FROM chunk), (SELECT count(*) FROM written);

-- name: backfill_all
UPDATE "{sessions}" s
   SET "{backfill_set}"
  FROM (SELECT o."{id}" AS id, b.at FROM "{sessions}" o LEFT JOIN "{backfill}" b ON b.session_id = o."{id}") b
 WHERE s."{id}" = b.id AND "{backfill_needed}";

-- name: backfill_missing
SELECT EXISTS (SELECT FROM "{sessions}" s LEFT JOIN "{backfill}" b ON b.session_id = s."{id}" WHERE "{backfill_needed}");

-- name: backfill_refilled
-- The one moment that most sessions have as their last activity although they are older: an earlier migration filled it in.
SELECT m.at::text, m.older
  FROM (SELECT s."{last_activity}" AS at, count(*) AS n, sum(count(*)) OVER () AS total,
               count(*) FILTER (WHERE greatest("{created_at_out}", "{updated_at_out}") < "{last_activity_out}" - interval '1 minute') AS older
          FROM "{sessions}" s WHERE "{visible}" GROUP BY s."{last_activity}") m
 WHERE m.at IS NOT NULL AND m.n >= 10 AND m.n * 2 > m.total AND m.older > 0
 ORDER BY m.n DESC
 LIMIT 1;

-- name: sessioncleanup_keep
-- Restores all of a session's columns but those that the backfill writes: the application's triggers on updates
-- may change other columns, such as updated_at. It runs before them, to note those values, and after them. In other
-- transactions it does nothing.
CREATE OR REPLACE FUNCTION "{space}".sessioncleanup_keep() RETURNS trigger
LANGUAGE plpgsql
SET search_path = "{safe}"
AS $sessioncleanup$
DECLARE
    v_filled jsonb;
BEGIN
    IF current_setting('sessioncleanup.filling', true) IS DISTINCT FROM 'on' THEN
        RETURN NEW;
    ELSIF TG_ARGV[0] = 'first' THEN
        PERFORM set_config('sessioncleanup.filled', jsonb_build_array(NEW."{last_activity}", NEW."{deactivated_at}")::text, true);
        RETURN NEW;
    END IF;
    v_filled := current_setting('sessioncleanup.filled')::jsonb;
    OLD."{last_activity}" := v_filled ->> 0;
    OLD."{deactivated_at}" := v_filled ->> 1;
    RETURN OLD;
END
$sessioncleanup$;

-- name: keep_trigger
CREATE TRIGGER "{trigger}" BEFORE UPDATE ON "{sessions}" FOR EACH ROW EXECUTE FUNCTION "{space}".sessioncleanup_keep("{order}");
ALTER TABLE "{sessions}" ENABLE ALWAYS TRIGGER "{trigger}";
