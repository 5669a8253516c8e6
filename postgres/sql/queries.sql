-- name: now
-- Begins a round trip that reads: its other statements see the same now(), and are planned for their values. A plan for
-- any values would read the whole table to find that nothing is due. Compiling a plan would take longer than most of them.
SELECT now(), set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true);

-- name: list
-- Finds what matches, and sorts it: for few sessions, which an index finds, and for orders without one.
SELECT "{session_columns}", "{key}", true, false
  FROM (SELECT s.*
          FROM "{among}" s "{cut}" "{filter}"
         CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
         WHERE "{matches}"
           AND "{selected}"
           AND ($9::text IS NULL OR ("{key}", s."{id}") "{beyond}" ($9::text::"{key_type}", $10::text::"{id_type}"))
         ORDER BY "{key}" "{direction}", s."{id}" "{direction}"
         LIMIT $8::bigint) s
 ORDER BY "{key}" "{direction}", s."{id}" "{direction}";

-- name: among_owner
(SELECT s.* FROM "{sessions}" s WHERE "{owner_col}" = $5::text::"{owner_type}" OFFSET 0)

-- name: few
-- Whether an owner has at most so many sessions.
SELECT count(*) FROM (SELECT FROM "{sessions}" s WHERE "{owner_col}" = $1::text::"{owner_type}" LIMIT $2::bigint) n;

-- name: walk
-- Reads the table in the order of the list, and no further than the page needs. Each part has an index in that order.
SELECT "{session_columns}", s.sessioncleanup_place, s.sessioncleanup_found, s.sessioncleanup_end
  FROM (SELECT s.* FROM ("{parts}") s
         ORDER BY s.sessioncleanup_place "{direction}", s."{id}" "{direction}"
         LIMIT $7::bigint) s
 ORDER BY s.sessioncleanup_place "{direction}", s."{id}" "{direction}";

-- name: in_order
-- For the statements after it: a part is read in the order of its index, and nothing else but the odd times is sorted.
-- The planner takes a condition on a range of times and the state of a session for independent, and would read and sort
-- the rest of a part, which it takes for little.
SELECT set_config('enable_sort', $1::text, true);

-- name: walk_all
(SELECT s.*, "{place}" AS sessioncleanup_place, true AS sessioncleanup_found, false AS sessioncleanup_end
   FROM "{sessions}" s "{cut}" "{filter}"
  WHERE "{part}" AND "{past}"
  ORDER BY "{place_order}" "{direction}", s."{id}" "{direction}"
  LIMIT $7::bigint)

-- name: walk_some
-- It looks at $10 sessions at most: the last of those comes too, found or not, and says how far that was.
(SELECT s.*, v.found AS sessioncleanup_found, s.sessioncleanup_row = $10::bigint AS sessioncleanup_end
   FROM (SELECT s.*, "{place}" AS sessioncleanup_place, row_number() OVER (ORDER BY "{place_order}" "{direction}", s."{id}" "{direction}") AS sessioncleanup_row
           FROM "{sessions}" s
          WHERE "{part}" AND "{past}"
          ORDER BY "{place_order}" "{direction}", s."{id}" "{direction}"
          LIMIT $10::bigint) s
   "{cut}" "{filter}"
  CROSS JOIN LATERAL (SELECT ("{wanted}") IS TRUE AS found OFFSET 0) v
  WHERE v.found OR s.sessioncleanup_row = $10::bigint
  LIMIT $7::bigint)

-- name: count
-- Counts no further than asked.
SELECT count(*)
  FROM (SELECT
          FROM "{among}" s "{cut}" "{filter}"
         CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
         WHERE "{matches}"
           AND "{selected}"
         LIMIT $8::bigint) n;

-- name: profiled
-- Every session with the last use that counts, and with when it is deactivated.
(SELECT s.*, u.at AS sessioncleanup_at, v_cut.now AS sessioncleanup_now, v_cut.now - v_cut.delete AS sessioncleanup_delete, u.ends AS sessioncleanup_ends,
        CASE WHEN "{says_active}" AND "{is_auto}" AND v_cut.inactive IS NOT NULL
             THEN CASE WHEN "{untracked}" THEN u.ends ELSE least(u.at + (v_cut.now - v_cut.inactive), u.ends) END END AS sessioncleanup_deactivate,
        CASE WHEN v_cut.warned IS NOT NULL
             THEN coalesce((SELECT CASE WHEN n.delivered_at IS NOT NULL OR v_cut.given_up IS NULL THEN n.delivered_at ELSE n.failed_at END FROM "{notices}" n
                             WHERE n.session_id = s."{id}"::text AND n.kept_since = "{period}"), v_cut.now) + (v_cut.now - v_cut.warned) END AS sessioncleanup_warned,
        "{is_auto}" AND v_cut.delete IS NOT NULL AND ("{tracked}" OR u.ends IS NOT NULL) AND (NOT "{says_active}" OR v_cut.inactive IS NOT NULL) AS sessioncleanup_ending
   FROM "{sessions}" s
   LEFT JOIN (SELECT t.session_id, max(t.at) AS at FROM "{touches}" t GROUP BY t.session_id) n ON n.session_id = s."{id}"
  "{cut_of_all}"
  CROSS JOIN LATERAL (SELECT coalesce(greatest("{last_activity_out}", n.at), now()) AS at, "{expires_at_out}" AS ends) u
  CROSS JOIN (SELECT $5::text[] AS tags) v_filter
  WHERE "{visible}" AND (v_filter.tags = '{}' OR "{has_tags}"))

-- name: profile
-- In days from now: what is overdue is due now. date_part, because extract computes with numeric.
SELECT "{says_active}", width_bucket(date_part('epoch', s.sessioncleanup_now - s.sessioncleanup_at), $4::float8[]),
       floor(date_part('epoch', greatest(s.sessioncleanup_deactivate, s.sessioncleanup_now) - s.sessioncleanup_now) / 86400)
         * CASE WHEN s.sessioncleanup_deactivate IS NOT NULL THEN 1 END,
       floor(date_part('epoch', greatest(CASE WHEN s.sessioncleanup_ending THEN greatest(s.sessioncleanup_at, s.sessioncleanup_ends, d.since) + s.sessioncleanup_delete END,
                                         CASE WHEN s.sessioncleanup_ending THEN s.sessioncleanup_warned END,
                                         s.sessioncleanup_now) - s.sessioncleanup_now) / 86400) * CASE WHEN s.sessioncleanup_ending THEN 1 END,
       count(*)
  FROM "{profiled}" s
 CROSS JOIN LATERAL (SELECT CASE WHEN "{says_active}" THEN greatest(s.sessioncleanup_deactivate, s.sessioncleanup_now)
                                 ELSE coalesce("{deactivated_at_out}", s.sessioncleanup_now) END AS since) d
 GROUP BY 1, 2, 3, 4;

-- name: profile_hours
SELECT h.hour, h.sessions
  FROM (SELECT date_trunc('hour', s.sessioncleanup_at, 'UTC') AS hour, count(*) AS sessions
          FROM "{profiled}" s
         WHERE s.sessioncleanup_at > s.sessioncleanup_now - $4::integer * interval '24 hours' AND s.sessioncleanup_at <= s.sessioncleanup_now
         GROUP BY 1 OFFSET 0) h
 ORDER BY 1;

-- name: profile_owners
SELECT "{owner_text}", count(*) FROM "{sessions}" s CROSS JOIN (SELECT $2::text[] AS tags) v_filter
 WHERE "{visible}" AND "{owner_text}" <> '' AND (v_filter.tags = '{}' OR "{has_tags}")
 GROUP BY 1 ORDER BY 2 DESC, ("{owner_text}") COLLATE "C" LIMIT $1::integer;

-- name: owners
-- Names are looked up for those that are shown only.
SELECT s.sessioncleanup_owner, coalesce("{owner_name}", ''), s.sessioncleanup_total, s.sessioncleanup_active, s.sessioncleanup_inactive,
       s.sessioncleanup_protected, s.sessioncleanup_idle, s.sessioncleanup_gone, s.sessioncleanup_last, s.sessioncleanup_owners
  FROM (SELECT "{owner_text}" AS sessioncleanup_owner, "{owner_col}" AS "{owner_as}", count(*) AS sessioncleanup_total,
               count(*) FILTER (WHERE "{is_active}") AS sessioncleanup_active, count(*) FILTER (WHERE "{not_active}") AS sessioncleanup_inactive,
               count(*) FILTER (WHERE NOT "{is_auto}") AS sessioncleanup_protected,
               count(*) FILTER (WHERE d.idle OR d.expired) AS sessioncleanup_idle, count(*) FILTER (WHERE d.gone) AS sessioncleanup_gone,
               max(u.at) AS sessioncleanup_last, count(*) OVER () AS sessioncleanup_owners
          FROM "{sessions}" s
          LEFT JOIN (SELECT t.session_id, max(t.at) AS at FROM "{touches}" t GROUP BY t.session_id) n ON n.session_id = s."{id}"
         "{cut_of_all}" "{filter}"
         CROSS JOIN LATERAL (SELECT coalesce(greatest("{last_activity_out}", n.at), now()) AS at) u
         CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
         WHERE "{matches}" AND "{owner_text}" <> ''
         GROUP BY "{owner_text}", "{owner_col}"
         ORDER BY count(*) DESC, ("{owner_text}") COLLATE "C"
         LIMIT $7::integer) s
 ORDER BY s.sessioncleanup_total DESC, s.sessioncleanup_owner COLLATE "C";

-- name: get
SELECT "{session_columns}", clock_timestamp() FROM "{sessions}" s WHERE s."{id}" = $1::text::"{id_type}" AND "{visible}";

-- name: get_locked
SELECT "{session_columns}", clock_timestamp() FROM "{sessions}" s WHERE s."{id}" = $1::text::"{id_type}" AND "{visible}" FOR NO KEY UPDATE OF s;

-- name: write
SELECT "{space}".sessioncleanup_write($1::text, $2::boolean, $3::boolean, $4::boolean, $5::timestamptz, $6::boolean, $7::timestamptz, $8::boolean, $9::timestamptz);

-- name: tags_write
-- Adds the tags $2 to a session that the caller has locked, and removes the tags $3.
WITH removed AS (DELETE FROM "{tags}" t WHERE t.session_id = $1::text::"{id_type}" AND t.tag = ANY ($3::text[]))
INSERT INTO "{tags}" (session_id, tag) SELECT $1::text::"{id_type}", a.tag FROM unnest($2::text[]) a (tag) ON CONFLICT DO NOTHING;

-- name: tags_count
SELECT t.tag, count(*)
  FROM "{tags}" t JOIN "{sessions}" s ON s."{id}" = t.session_id
 WHERE "{visible}" AND ($1::text IS NULL OR "{owner_col}" = $1::text::"{owner_type}")
 GROUP BY t.tag ORDER BY t.tag;

-- name: delete
SELECT "{space}".sessioncleanup_delete($1::text[]);

-- name: archive
-- The sessions are locked.
SELECT "{space}".sessioncleanup_archive($1::text[]::"{id_type}"[], date_trunc('milliseconds', clock_timestamp()), $2::text, $3::text, $4::text, $5::integer, $6::bigint);

-- name: archived
SELECT a.id, a.session_id, a.owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id, a.row_count, a.bytes, a.backed_up_at, a.held, a.tags
  FROM "{archive}" a
 WHERE ($1::bigint[] IS NULL OR a.id = ANY ($1::bigint[])) AND ($2::text IS NULL OR a.session_id = $2::text) AND ($3::text IS NULL OR a.owner_id = $3::text)
   AND (NOT $7::boolean OR "{purgeable}") AND ($5::boolean IS NULL OR (a.backed_up_at IS NOT NULL) = $5::boolean)
   AND ($6::boolean IS NULL OR a.held = $6::boolean)
   AND ($9::bigint IS NULL OR a.id < $9::bigint)
 ORDER BY a.id DESC
 LIMIT $10::integer;

-- name: archived_count
SELECT count(*)
  FROM "{archive}" a
 WHERE ($1::bigint[] IS NULL OR a.id = ANY ($1::bigint[])) AND ($2::text IS NULL OR a.session_id = $2::text) AND ($3::text IS NULL OR a.owner_id = $3::text)
   AND (NOT $7::boolean OR "{purgeable}") AND ($5::boolean IS NULL OR (a.backed_up_at IS NOT NULL) = $5::boolean) AND ($6::boolean IS NULL OR a.held = $6::boolean);

-- name: not_backed_up
SELECT a.id, a.session_id, a.owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id, a.row_count, a.bytes, a.backed_up_at, a.held, a.tags
  FROM "{archive}" a
 WHERE a.backed_up_at IS NULL AND a.id > $1::bigint
 ORDER BY a.id
 LIMIT $2::integer;

-- name: archived_contents
SELECT r.entry, r.number, r."table", r.unlinked, r."row"::text
  FROM "{archived_each}" r WHERE r.entry = ANY ($1::bigint[]) ORDER BY r.entry, r.number;

-- name: mark_backed_up
UPDATE "{archive}" a SET backed_up_at = date_trunc('milliseconds', clock_timestamp()) WHERE a.id = ANY ($1::bigint[]);

-- name: insert_archived
INSERT INTO "{archive}" (session_id, owner_id, name, archived_at, actor, reason, run_id, row_count, bytes, tags, "table", columns, texts)
SELECT e.session_id, coalesce(e.owner_id, ''), coalesce(e.name, ''), e.archived_at, e.actor, coalesce(e.reason, ''), coalesce(e.run_id, ''), e.rows, e.bytes,
       coalesce(e.tags, '{}'), e."table",
       ARRAY(SELECT o.key FROM json_each_text(n.entry -> 'row') WITH ORDINALITY o ORDER BY o.ordinality),
       ARRAY(SELECT o.value FROM json_each_text(n.entry -> 'row') WITH ORDINALITY o ORDER BY o.ordinality)
  FROM json_array_elements($1::text::json) WITH ORDINALITY n (entry, place)
 CROSS JOIN LATERAL json_to_record(n.entry) e (
       session_id text, owner_id text, name text, archived_at timestamptz, actor text, reason text, run_id text, rows integer, bytes bigint, tags text[], "table" text)
 ORDER BY n.place
RETURNING id;

-- name: insert_archived_rows
INSERT INTO "{archive_rows}" (entry, number, row_count, "table", unlinked, key_count, columns, rows)
SELECT r.entry, r.number, 1, r.name, r.unlinked, k.count, k.names || v.names, k.texts || v.texts
  FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::boolean[], $5::json[]) r (entry, number, name, unlinked, row)
 CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(array_agg(o.key), '{}') AS names, coalesce(array_agg(o.value), '{}') AS texts
                       FROM json_each_text(CASE WHEN r.unlinked THEN r.row -> 'key' ELSE '{}' END) o) k
 CROSS JOIN LATERAL (SELECT coalesce(array_agg(o.key), '{}') AS names, coalesce(array_agg(o.value), '{}') AS texts
                       FROM json_each_text(CASE WHEN r.unlinked THEN r.row -> 'set' ELSE r.row END) o) v;

-- name: archive_size
SELECT count(*), coalesce(sum(a.bytes), 0)::bigint FROM "{archive}" a;

-- name: archived_rows
SELECT r.number, r."table", r.unlinked, r."row"::text
  FROM "{archived_each}" r WHERE r.entry = $1::bigint AND r.up_to > $2::integer AND r.number > $2::integer ORDER BY r.number LIMIT $3::integer;

-- name: archived_locked
SELECT a.id, a.session_id, a.owner_id, a.name, a.archived_at, a.actor, a.reason, a.run_id, a.row_count, a.bytes, a.backed_up_at, a.held, a.tags
  FROM "{archive}" a WHERE a.id = ANY ($1::bigint[])
 ORDER BY a.id DESC
   FOR UPDATE;

-- name: hold
UPDATE "{archive}" a SET held = $2::boolean WHERE a.id = ANY ($1::bigint[]) AND a.held <> $2::boolean;

-- name: purge_entry_rows
DELETE FROM "{archive_rows}" r WHERE r.entry = ANY ($1::bigint[]);

-- name: purge_entries
DELETE FROM "{archive}" a WHERE a.id = ANY ($1::bigint[]);

-- name: put_tombstone
INSERT INTO "{tombstones}" AS t (owner, erased_at) VALUES ($1::bytea, date_trunc('milliseconds', clock_timestamp()))
    ON CONFLICT (owner) DO UPDATE SET erased_at = excluded.erased_at;

-- name: tombstones
SELECT encode(t.owner, 'hex'), t.erased_at FROM "{tombstones}" t WHERE t.owner = ANY (ARRAY(SELECT decode(o.hash, 'hex') FROM unnest($1::text[]) o (hash)));

-- name: copied_elsewhere
SELECT coalesce(jsonb_agg(jsonb_build_object('entry', w.entry, 'kind', 'table', 'table', w."table", 'text', 'the table is none that the deletion of a session reaches')), '[]')::text
  FROM (SELECT DISTINCT r.entry, r."table"
          FROM "{archive_rows}" r CROSS JOIN "{settings}" m
         WHERE r.entry = ANY ($1::bigint[]) AND NOT m.reached ? r."table" AND r."table" <> 'sessioncleanup_tags'
           AND to_regclass(r."table") IS DISTINCT FROM coalesce(pg_partition_root("{sessions_literal}"::regclass), "{sessions_literal}"::regclass)
         LIMIT 100) w;

-- name: restore
SELECT restored, row_count, relinked, obstacles::text, new_ids::text
  FROM "{space}".sessioncleanup_restore($1::bigint[], $2::text, $3::text, $4::text, $5::text, $6::boolean, coalesce($7::bigint[], '{}'));

-- name: purge
SELECT ids, next FROM "{space}".sessioncleanup_purge($1::timestamptz, $2::boolean, $3::integer, $4::text, $5::text, $6::text, $7::text, $8::text::jsonb);

-- name: taken
-- The other sessions that would be deleted along with one. It is locked so that no more are added.
SELECT s."{id}"::text, coalesce("{owner_text}", ''), "{event_name}"
  FROM "{space}".sessioncleanup_taken(ARRAY(SELECT l."{id}" FROM "{sessions}" l WHERE l."{id}" = $1::text::"{id_type}" FOR UPDATE)) t
  JOIN "{sessions}" s ON s."{id}" = t.id
 ORDER BY s."{id}";

-- name: touch
-- $4 is how long before the clock each was used, in microseconds.
SELECT touched, locked, locked_ats
  FROM "{space}".sessioncleanup_touch($1::text[], ARRAY(SELECT date_trunc('milliseconds', now() - u.ago * interval '1 microsecond')
                                                          FROM unnest($4::bigint[]) WITH ORDINALITY u (ago, place) ORDER BY u.place),
       $2::text, $3::bigint * interval '1 microsecond', false);

-- name: touch_one
-- Waits for the session.
SELECT touched FROM "{space}".sessioncleanup_touch(ARRAY[$1::text], ARRAY[$4::timestamptz], $2::text, $3::bigint * interval '1 microsecond', true);

-- name: touch_note
-- The next run writes them.
SELECT "{space}".sessioncleanup_note($1::text[], $2::timestamptz[]);

-- name: touch_in
-- In a transaction of the application, under its search path.
SELECT "{space}".sessioncleanup_use(ARRAY(SELECT pg_catalog.json_array_elements_text($1::pg_catalog.json)));

-- name: lock_revivable
-- The sessions that a touch makes active again, of those of $1 that were used $3 microseconds before now().
SELECT s."{id}"::text, u.at
  FROM (SELECT u.id::"{id_type}" AS id, date_trunc('milliseconds', now() - u.ago * interval '1 microsecond') AS at
          FROM unnest($1::text[], $3::bigint[]) u (id, ago)) u
  JOIN "{sessions}" s ON s."{id}" = u.id
 WHERE "{not_active}" AND "{is_auto}" AND ($2::text IS NULL OR "{owner_col}" = $2::text::"{owner_type}")
   AND s."{deactivated_at}" < u.at "{deactivated_at_in}" AND "{by_run}"
 ORDER BY s."{id}"
   FOR NO KEY UPDATE OF s;

-- name: reactivate
SELECT "{space}".sessioncleanup_reactivate($1::text[]::"{id_type}"[], $2::timestamptz[], $3::text, $4::text, $5::text);

-- name: dependents
SELECT d.name, d.effect, d.row_count, d.more
  FROM "{space}".sessioncleanup_dependents(
       ARRAY(SELECT s."{id}"
               FROM "{among}" s "{cut}" "{filter}"
              CROSS JOIN LATERAL (SELECT "{idle}" AS idle, "{expired}" AS expired, "{gone}" AS gone) d
              WHERE "{matches}"
                AND "{selected}"
              LIMIT $8::bigint), $9::integer) d;

-- name: sweep
SELECT ids, next, skipped, reasons, coalesce(failure_code, ''), coalesce(failure, ''), (extract(epoch FROM held) * 1000000)::bigint
  FROM "{space}".sessioncleanup_sweep($1::text, $2::timestamptz, $3::timestamptz, $4::timestamptz, $5::text,
       $6::text, $7::text, $8::text[], $9::text, $10::text, $11::text, $12::integer, $13::integer, $14::bigint, $15::text[], $16::timestamptz, $17::timestamptz, $18::text::jsonb);

-- name: deleted_rows
-- How many rows of each table of the application this process deleted and did not report to the server's statistics
-- yet, those of the transaction included, and how many bytes a row of it takes, as far as VACUUM and ANALYZE know.
SELECT c.oid, pg_stat_get_xact_tuples_deleted(c.oid),
       CASE WHEN c.reltuples > 0 THEN c.relpages::float8 * current_setting('block_size')::integer / c.reltuples ELSE 0 END
  FROM pg_class c
 WHERE c.relkind = 'r' AND pg_stat_get_xact_tuples_deleted(c.oid) > 0
   AND c.relnamespace <> 'pg_catalog'::regnamespace AND c.oid <> ALL (ARRAY(SELECT coalesce(to_regclass(t)::oid, '0') FROM unnest("{own_tables}") t));

-- name: warn
SELECT ids, next, (extract(epoch FROM held) * 1000000)::bigint
  FROM "{space}".sessioncleanup_warn($1::timestamptz, $2::timestamptz, $3::timestamptz, $4::timestamptz, $5::text,
       $6::text, $7::text, $8::text[], $9::text, $10::text, $11::text, $12::integer, $13::text::jsonb);

-- name: notice_claim
-- The notices of the message to send next, and whether they still apply.
SELECT n.session_id, n.owner_id, n.name, n.kept_since, n.queued_at, n.delivered_at, n.failed_at, n.next_at, n.message, n.attempts, n.first_at, n.error,
       n.stage, n.deleted_at, n.told_at,
       CASE WHEN n.deleted_at IS NOT NULL THEN NOT EXISTS (SELECT FROM "{sessions}" s WHERE s."{id}" = n.session_id::"{id_type}" AND "{visible}")
            ELSE EXISTS (SELECT FROM "{sessions}" s "{cut}" WHERE s."{id}" = n.session_id::"{id_type}" AND "{past_warn}" AND "{period}" = n.kept_since) END,
       CASE WHEN n.deleted_at IS NOT NULL THEN n.tags ELSE "{notice_tags}" END
  FROM (SELECT o.owner_id, o.message, o.deleted_at IS NULL AS ahead
          FROM "{notices}" o
         WHERE o.next_at <= now()
           AND (o.message <> '' OR $4::bigint IS NULL
                OR NOT EXISTS (SELECT FROM "{notices}" t WHERE t.owner_id = o.owner_id AND t.told_at > now() - $4::bigint * interval '1 microsecond'))
         ORDER BY o.next_at, o.session_id
         LIMIT 1) p
  JOIN "{notices}" n ON n.next_at IS NOT NULL AND n.owner_id = p.owner_id AND n.message = p.message AND (n.deleted_at IS NULL) = p.ahead
 ORDER BY n.kept_since, n.session_id
 LIMIT $5::integer
   FOR UPDATE OF n;

-- name: notice_tags
ARRAY(SELECT t.tag FROM "{tags}" t WHERE t.session_id = "{notice}".session_id::"{id_type}" ORDER BY t.tag)

-- name: notice_begin
UPDATE "{notices}" n SET message = $1::text WHERE n.session_id = ANY ($2::text[]) AND n.next_at IS NOT NULL;

-- name: notice_drop
DELETE FROM "{notices}" n WHERE n.session_id = ANY ($1::text[]) AND n.next_at IS NOT NULL;

-- name: notice_settle
-- As NoticeOutcome.Apply; $2 is what it comes to, and the event has those that it is about.
WITH settled AS (
    UPDATE "{notices}" n
       SET delivered_at = coalesce(n.delivered_at, CASE WHEN $2::text = 'warned' THEN c.at END),
           failed_at = CASE WHEN $2::text = 'undeliverable' AND n.delivered_at IS NULL THEN c.at END,
           told_at = CASE WHEN $2::text = 'warned' THEN c.at ELSE n.told_at END,
           next_at = CASE WHEN $2::text = '' THEN date_trunc('milliseconds', c.at + $3::bigint * interval '1 microsecond') END,
           attempts = n.attempts + $4::boolean::integer, first_at = CASE WHEN $4::boolean THEN coalesce(n.first_at, c.at) ELSE n.first_at END, error = $5::text
      FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS at) c
     WHERE n.message = $1::text AND n.next_at IS NOT NULL
    RETURNING n.session_id, n.owner_id, n.name, c.at)
SELECT "{space}".sessioncleanup_log(max(s.at), $2::text, $6::text, $7::text, $8::text, array_agg(s.session_id ORDER BY s.session_id),
           array_agg(s.owner_id ORDER BY s.session_id), array_agg(s.name ORDER BY s.session_id), NULL)
  FROM settled s
HAVING $2::text <> '' AND count(*) > 0;

-- name: notices_remind
-- As Reminding.StageOf; $1 and $2 are the thresholds without regard to tags, NULL for never, $3 the times before a
-- deletion, and $4 the rules.
UPDATE "{notices}" n
   SET stage = r.stage, next_at = r.now, message = '', attempts = 0, first_at = NULL, error = ''
  FROM (SELECT o.session_id, c.now,
               (SELECT count(*) FROM unnest($3::bigint[]) b
                 WHERE greatest(o.kept_since + h.keep, o.delivered_at + h.warn) - b * interval '1 microsecond' <= c.now AND h.keep IS NOT NULL)::integer AS stage
          FROM "{notices}" o
         CROSS JOIN (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) c
         CROSS JOIN LATERAL (SELECT CASE WHEN r.n > 0 THEN r.delete * interval '1 millisecond' ELSE $1::bigint * interval '1 microsecond' END AS keep,
                                    CASE WHEN r.n > 0 THEN coalesce(r.warned, 0) * interval '1 millisecond' ELSE $2::bigint * interval '1 microsecond' END AS warn
                               FROM "{longest_of_notice}" r) h
         WHERE o.delivered_at IS NOT NULL AND o.next_at IS NULL AND o.deleted_at IS NULL AND o.stage < cardinality($3::bigint[])) r
 WHERE n.session_id = r.session_id AND r.stage > n.stage AND n.next_at IS NULL AND n.deleted_at IS NULL;

-- name: notices
SELECT n.session_id, n.owner_id, n.name, n.kept_since, n.queued_at, n.delivered_at, n.failed_at, n.next_at, n.message, n.attempts, n.first_at, n.error, n.stage, n.deleted_at, n.told_at, true, n.tags
  FROM "{notices}" n
 WHERE ($1::text IS NULL OR n.session_id = $1::text) AND ($2::text IS NULL OR n.owner_id = $2::text)
   AND (NOT $3::boolean OR n.failed_at IS NOT NULL) AND (NOT $4::boolean OR n.next_at IS NOT NULL)
   AND NOT EXISTS (SELECT FROM unnest($6::text[]) w (word)
                    WHERE (CASE WHEN n.deleted_at IS NOT NULL THEN n.tags ELSE "{notice_tags}" END && string_to_array(ltrim(w.word, '-'), '|') COLLATE "C")
                          = starts_with(w.word, '-'))
 ORDER BY n.next_at NULLS FIRST, n.failed_at NULLS FIRST, n.session_id COLLATE "C"
 LIMIT $5::integer;

-- name: notices_resend
UPDATE "{notices}" n
   SET failed_at = NULL, first_at = NULL, next_at = date_trunc('milliseconds', clock_timestamp()), message = '', attempts = 0, error = ''
 WHERE n.failed_at IS NOT NULL AND ($1::text[] IS NULL OR n.session_id = ANY ($1::text[]));

-- name: outbox_size
SELECT (SELECT count(*) FROM "{notices}" n WHERE n.next_at IS NOT NULL),
       (SELECT count(*) FROM "{notices}" n WHERE n.failed_at IS NOT NULL),
       (SELECT min(n.queued_at) FROM "{notices}" n WHERE n.next_at IS NOT NULL AND n.delivered_at IS NULL);

-- name: find_owner
SELECT coalesce("{owner_mail}", ''), coalesce("{owner_language}", ''), coalesce("{owner_zone}", '') FROM "{owners}" o WHERE "{is_owner}" LIMIT 1;

-- name: sweep_table
-- Waits for others that alter the table, before the batch holds locks.
LOCK TABLE "{sessions}" IN ROW EXCLUSIVE MODE;

-- name: lease_make
INSERT INTO "{leases}" (name) VALUES ($1::text) ON CONFLICT DO NOTHING;

-- name: lease_lock
SELECT l.name, l.holder, l.epoch, l.expires_at, l.ttl_ms, clock_timestamp() FROM "{leases}" l WHERE l.name = $1::text FOR UPDATE;

-- name: lease_guard
-- The lock keeps the lease from passing to another holder until the batch is committed.
SELECT l.name, l.holder, l.epoch, l.expires_at, l.ttl_ms, clock_timestamp() FROM "{leases}" l WHERE l.name = $1::text FOR SHARE;

-- name: lease_write
UPDATE "{leases}" l SET holder = $2::text, epoch = $3::bigint, expires_at = $4::timestamptz, ttl_ms = $5::bigint WHERE l.name = $1::text;

-- name: event_add
SELECT id, at
  FROM "{space}".sessioncleanup_log($1::timestamptz, $2::text, $3::text, $4::text, $5::text, $6::text[], $7::text[], $8::text[], $9::text::jsonb);

-- name: settled
SELECT "{space}".sessioncleanup_settled($1::bigint);

-- name: events_forward
SELECT e.id, e.at, e.action, e.actor, e.reason, e.run_id, e.session_ids, e.owner_ids, e.names, e.run, 0 AS unnamed
  FROM "{events}" e WHERE e.id > $1::bigint AND e.id <= $2::bigint ORDER BY e.id LIMIT $3::integer;

-- name: position_read
SELECT coalesce((SELECT p.position FROM "{positions}" p WHERE p.consumer = $1::text), 0);

-- name: position_write
INSERT INTO "{positions}" AS p (consumer, position) VALUES ($1::text, $2::bigint)
ON CONFLICT (consumer) DO UPDATE SET position = excluded.position;

-- name: value_read
SELECT v.data::text, v.version FROM "{values}" v WHERE v.name = $1::text;

-- name: value_write
WITH stored AS (
    INSERT INTO "{values}" AS v (name, version, data) VALUES ($1::text, $3::bigint + 1, $2::text::jsonb)
        ON CONFLICT (name) DO UPDATE SET version = excluded.version, data = excluded.data WHERE v.version = $3::bigint
    RETURNING 1)
SELECT count(*) FROM stored;

-- name: events_forget
SELECT "{space}".sessioncleanup_forget($1::timestamptz, $2::integer);

-- name: seal
SELECT "{space}".sessioncleanup_seal($1::integer);

-- name: seals
SELECT s.number, s.first_id, s.last_id, s.entries, s.newest, s.forgotten, s.digests, s.hash
  FROM "{seals}" s WHERE s.number > $1::bigint ORDER BY s.number LIMIT $2::integer;

-- name: entries
-- As bytes: what a client makes of an array of texts may differ from them where they are no UTF-8.
SELECT x.id, ARRAY(SELECT convert_to(coalesce(f.text, ''), x.encoding) FROM unnest(x.fixed) WITH ORDINALITY f (text, place) ORDER BY f.place),
       ARRAY(SELECT convert_to(coalesce(p.text, ''), x.encoding) FROM unnest(x.personal) WITH ORDINALITY p (text, place) ORDER BY p.place), x.proof
  FROM ("{sealed_texts}" WHERE e.id > $1::bigint AND e.id <= $2::bigint ORDER BY e.id LIMIT $3::integer) x ORDER BY x.id;

-- name: erase_lock
-- Keeps others from sealing meanwhile, and says what is sealed.
LOCK TABLE "{seals}" IN SHARE ROW EXCLUSIVE MODE;

-- name: erase_find
SELECT e.id, e.at, e.action, e.actor, e.reason, e.run_id, e.session_ids, e.owner_ids, e.names, e.run, 0 AS unnamed,
       e.id <= coalesce((SELECT max(s.last_id) FROM "{seals}" s), e.id - 1)
  FROM "{events}" e
 WHERE e.actor = 'owner:' || $1::text OR e.run #>> '{filter,OwnerID}' = $1::text OR $1::text = ANY (e.owner_ids)
 ORDER BY e.id LIMIT $2::integer FOR UPDATE;

-- name: erase
-- The filter is left out of the summary of a run. An entry without owners stays one.
UPDATE "{events}" e
   SET actor = $2::text, reason = $3::text, owner_ids = CASE cardinality(e.owner_ids) WHEN 0 THEN e.owner_ids ELSE $4::text[] END, names = $5::text[], run = CASE WHEN $6::boolean THEN e.run ELSE e.run - 'filter' END
 WHERE e.id = $1::bigint;

-- name: erase_proof
-- Of a sealed entry.
UPDATE "{events}" e SET proof = $2::bytea WHERE e.id = $1::bigint;

-- name: events
-- In a part ($8), the limit is on the events looked at, and an event has its first 100 sessions unless some are asked for.
SELECT e.id, e.at, e.action, e.actor, e.reason, e.run_id, e.session_ids[1:m.named], e.owner_ids[1:m.named], e.names[1:m.named], e.run,
       CASE WHEN m.named > 0 THEN greatest(cardinality(e.session_ids) - m.named, 0) ELSE 0 END AS unnamed
  FROM (SELECT l.* FROM "{events}" l
         WHERE ($3::text IS NULL OR l.run_id = $3::text)
           AND ($4::text[] IS NULL OR l.action = ANY ($4::text[]))
           AND ($5::bigint IS NULL OR l.id < $5::bigint)
           AND ($7::bigint IS NULL OR l.id > $7::bigint)
         ORDER BY l.id DESC
         LIMIT CASE WHEN $8::boolean THEN $6::integer END) e
 CROSS JOIN LATERAL
       (SELECT CASE WHEN $1::text IS NULL AND $2::text IS NULL THEN CASE WHEN $8::boolean THEN 100 ELSE 2147483647 END
                    WHEN EXISTS (SELECT FROM unnest(e.session_ids, e.owner_ids) AS r (id, owner)
                                  WHERE ($1::text IS NULL OR r.id = $1::text) AND ($2::text IS NULL OR r.owner = $2::text)) THEN 2147483647
                    ELSE 0 END AS named
        OFFSET 0) m
 WHERE m.named > 0 OR $8::boolean
 ORDER BY e.id DESC
 LIMIT $6::integer;
