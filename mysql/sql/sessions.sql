-- The sessions: as their table has them, and as notes of activity make them.

-- name: base
SELECT "{id}" AS id, "{id_text}" AS id_text, "{owner}" AS owner, "{owner_text}" AS owner_text, "{name_text}" AS name_text, "{code_text}" AS code_text,
       "{active}" AS table_active, "{auto_cleanup}" AS auto_cleanup, "{created_at}" AS created_at, "{updated_at}" AS updated_at,
       "{last_activity}" AS table_last, "{expires_at}" AS table_expires, "{deactivated_at}" AS table_deactivated,
       "{place_column}" AS place, "{born}" AS since, n.at AS noted, "{by_run}" AS by_run, "{revives}" AS revives"{measured}"
  FROM "{members}" "{sessions}" AS t "{members_on}" LEFT JOIN (SELECT session, MAX(at) AS at FROM sessioncleanup_touches "{notes_where}" GROUP BY session) AS n ON n.session = "{id}"
 WHERE "{visible}" AND "{prefilter}""{at_once}"

-- name: members
-- The sessions that may be on a page in the order of a column: of those that have a time there and no note, as many as
-- the page has, found along an index, with all that have the last one's time; those with notes; and those without a
-- time.
SELECT t."{id_column}" AS id FROM "{sessions}" AS t
 WHERE "{quiet}" AND t."{by_column}" "{until}" COALESCE((
         SELECT e.at FROM (SELECT t."{by_column}" AS at FROM "{sessions}" AS t WHERE "{quiet}" AND "{later}" ORDER BY t."{by_column}" "{direction}" LIMIT 1 OFFSET :last) AS e),
       "{furthest}")
UNION SELECT session FROM "{moved}"
UNION SELECT t."{id_column}" FROM "{sessions}" AS t WHERE t."{by_column}" IS NULL AND "{filter}"
UNION SELECT t."{id_column}" FROM "{sessions}" AS t WHERE t."{by_column}" = '0000-00-00 00:00:00' AND "{filter}"

-- name: members_due
-- The sessions that may be due: those that are due by the table itself, found along indexes, and those with notes.
"{all_due}"
UNION SELECT session FROM "{moved}"

-- name: some_due
SELECT t."{id_column}" AS id FROM "{sessions}" AS t WHERE "{due_in_table}"

-- name: members_moved
SELECT DISTINCT session AS id FROM "{moved}"

-- name: due_in_table
"{visible}" AND "{filter}" AND "{quiet_status}" AND "{unmoved}"

-- name: unmoved
NOT EXISTS (SELECT 1 FROM sessioncleanup_touches AS n WHERE n.session = "{id}")"{and_not_retagged}"

-- name: not_retagged
 AND NOT EXISTS (SELECT 1 FROM sessioncleanup_retagged AS n WHERE n.session = "{id}")

-- name: moved_or_retagged
(SELECT session FROM sessioncleanup_touches UNION SELECT session FROM sessioncleanup_retagged) AS n

-- name: quiet
"{visible}" AND "{filter}" AND "{quiet_status}" AND t."{by_column}" > '0000-00-00 00:00:00' AND "{from}" AND "{unmoved}"

-- name: quiet_from
t."{by_column}" "{from_operator}" :after_place

-- name: quiet_later
(t."{by_column}" "{after}" :after_place OR t."{by_column}" = :after_place AND "{table_id_order}" "{after}" :after_id)

-- name: quiet_until
t."{by_column}" "{until}" :end_place

-- name: before_end
("{place}" "{before}" :end_place OR "{place}" = :end_place AND ("{id_order}" "{before}" :end_id OR "{id_order}" = :end_id))

-- name: further
t."{by_column}" "{after}" :after_place

-- name: end_of_page
-- The last session with the same time as the session :walked places further on. Sessions with the time at which the
-- page begins do not count, so that each page advances.
SELECT t."{by_column}", "{id_text}"
  FROM "{sessions}" AS t
 WHERE t."{by_column}" = (SELECT e.at FROM (SELECT t."{by_column}" AS at FROM "{sessions}" AS t
                                             WHERE t."{by_column}" > '0000-00-00 00:00:00' AND "{further}"
                                             ORDER BY t."{by_column}" "{direction}" LIMIT 1 OFFSET :walked) AS e)
 ORDER BY "{table_id_order}" "{last_of_time}"
 LIMIT 1

-- name: count_rows
-- Notes of activity change nothing about which sessions there are.
SELECT COUNT(*) FROM (SELECT 1 FROM "{sessions}" AS t WHERE "{visible}" AND "{filter}" LIMIT :count_up_to) AS counted

-- name: count_range
SELECT COUNT(*) FROM (SELECT 1 FROM "{sessions}" AS t WHERE "{range}" LIMIT :few) AS counted

-- name: count_due
SELECT COUNT(*) FROM (SELECT 1 FROM "{sessions}" AS t WHERE "{due_in_table}" LIMIT :count_up_to) AS counted

-- name: seen
-- A last activity that is not known is read as one that keeps its session.
(SELECT b.*, (b.table_active OR b.revives) AS active,
        COALESCE(GREATEST(b.table_last, b.noted), b.noted, b.table_last, TIMESTAMP'9000-01-01 00:00:00') AS last_activity,
        CASE WHEN b.revives AND b.table_expires <= b.noted THEN NULL ELSE b.table_expires END AS expires_at,
        CASE WHEN b.table_active OR b.revives THEN NULL ELSE b.table_deactivated END AS deactivated_at
   FROM ("{base}") AS b) AS t

-- name: by_run
-- Whether the log has the deactivation of an inactive session by a run, at exactly that time.
(NOT "{active}" AND EXISTS (
          SELECT 1 FROM sessioncleanup_events AS e
           WHERE e.action = 'deactivated' AND e.at = "{deactivated_at}" AND e.run_id <> ''
             AND JSON_CONTAINS(e.sessions, JSON_OBJECT('id', "{id_text}"))))

-- name: revives
-- Whether a note makes a session active again.
(n.at IS NOT NULL AND NOT "{active}" AND "{auto_cleanup}" AND n.at > "{deactivated_at}" AND "{by_run}")

-- name: session_columns
t.id_text, t.owner_text, t.name_text, t.code_text, t.table_active, t.auto_cleanup, t.created_at, t.updated_at,
       t.table_last, t.table_expires, t.table_deactivated, t.noted, t.noted IS NOT NULL AND t.by_run, UTC_TIMESTAMP(6), "{warning}", "{tags_of}"

-- name: session_columns_for_touch
-- A touch may reactivate a session without a note, too.
t.id_text, t.owner_text, t.name_text, t.code_text, t.table_active, t.auto_cleanup, t.created_at, t.updated_at,
       t.table_last, t.table_expires, t.table_deactivated, t.noted, t.by_run, UTC_TIMESTAMP(6), "{warning}", "{tags_of}"

-- name: warning
-- What became of the last warning: a list.
(SELECT JSON_ARRAY(w.kept_since, w.queued_at, w.delivered_at, w.failed_at) FROM sessioncleanup_notices AS w WHERE w.session = CAST(t.id_text AS BINARY))

-- name: list_some
SELECT "{session_columns}", "{owner_name}", "{activity_count}" FROM "{seen}" ORDER BY t.id

-- name: chosen
-- Some sessions, each found by its id. With IN the server may read the whole table when that is small, and so wait for rows that
-- others have locked.
JSON_TABLE(:chosen, '$[*]' COLUMNS (id "{listed_type}" PATH '$')) AS u STRAIGHT_JOIN "{sessions}" AS t FORCE INDEX ("{id_index}") ON "{id}" = "{listed_id}"

-- name: lock
SELECT "{id_text}" FROM "{chosen}" WHERE "{visible}" FOR UPDATE

-- name: lock_free
-- Those that nobody else has locked.
SELECT "{id_text}" FROM "{chosen}" WHERE "{visible}" FOR UPDATE SKIP LOCKED

-- name: owner_name
COALESCE((SELECT LEFT(CONVERT(o."{owners_name}" USING utf8mb4), 1000) FROM "{owners}" AS o WHERE o."{owners_id}" = t.owner LIMIT 1), '')

-- name: activity_count
(SELECT COUNT(*) FROM "{source}" AS a WHERE a."{source_session}" = t.id)

-- name: page
-- The page is found first. Owners and activity are then looked up for its rows only.
SELECT "{session_columns}", "{owner_name}", "{activity_count}"
  FROM (SELECT t.*, "{place}" AS page_place, "{id_order}" AS page_id
          FROM "{seen}"
         WHERE "{condition}" AND "{beyond}"
         ORDER BY page_place "{direction}", page_id "{direction}"
         LIMIT :limit) AS t
 ORDER BY t.page_place "{direction}", t.page_id "{direction}"

-- name: beyond
("{place}" "{after}" :after_place OR "{place}" = :after_place AND "{id_order}" "{after}" :after_id)

-- name: place_last_activity
t.last_activity

-- name: place_created
COALESCE(t.created_at, TIMESTAMP'1000-01-01 00:00:00')

-- name: place_name
CAST(t.name_text AS BINARY)

-- name: count
SELECT COUNT(*) FROM (SELECT 1 FROM "{seen}" WHERE "{condition}" LIMIT :count_up_to) AS counted

-- name: count_moved
SELECT COUNT(*) FROM (SELECT 1 FROM "{moved_seen}" WHERE "{condition}" LIMIT :count_up_to) AS counted

-- name: counts
-- What the figures depend on is computed once for each session: without a limit, the server would put the expressions in place of
-- their names, and compute each of them a dozen times.
SELECT "{figures_of}", COUNT(*), COALESCE(SUM(t.active), 0), COALESCE(SUM(t.last_activity < "{cut_delete}"), 0), COALESCE(SUM(NOT t.auto_cleanup), 0),
       COUNT(COALESCE(t.idle, t.expired)), COUNT(t.gone), COALESCE(SUM(t.never), 0),
       COALESCE(SUM(t.last_activity >= :inactive AND :recent IS NOT NULL), 0), COALESCE(SUM(t.last_activity >= :recent), 0),
       MIN(t.idle), MIN(t.expired), MIN(t.gone)
  FROM (SELECT t.*, CASE WHEN "{due_idle}" THEN t.last_activity END AS idle,
               CASE WHEN "{running}" AND "{cut_inactive}" IS NOT NULL AND t.expires_at <= :now THEN t.expires_at END AS expired,
               CASE WHEN "{due_gone}" THEN "{kept_since}" END AS gone,
               "{never_due}" AS never
          FROM (SELECT t.active, t.auto_cleanup, t.last_activity, t.expires_at, t.deactivated_at, "{counted_id}" AS id_text, "{figures_of}" AS cut_no
                  FROM "{seen}" WHERE "{condition}" LIMIT 18446744073709551615) AS t) AS t"{figures_grouped}"

-- name: profile
SELECT t.owner_text, t.active, t.auto_cleanup, t.last_activity, t.expires_at, t.deactivated_at, "{profiled_tags}" FROM "{seen}"

-- name: every
SELECT "{session_columns}", "{owner_name}" FROM "{seen}"
