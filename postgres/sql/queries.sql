-- name: session_columns
s."{id}"::text, coalesce("{owner_text}", ''), coalesce("{owner_name}", ''), coalesce("{name_text}", ''), coalesce("{code_text}", ''),
       "{is_active}", "{is_auto}",
       CASE WHEN isfinite("{created_at_out}") THEN "{created_at_out}" END, CASE WHEN isfinite("{updated_at_out}") THEN "{updated_at_out}" END,
       coalesce("{last_used}", now()), CASE WHEN isfinite("{expires_at_out}") THEN "{expires_at_out}" END, "{activity_count}"

-- name: cut
CROSS JOIN (SELECT $1::timestamptz AS now, $2::timestamptz AS inactive, $3::timestamptz AS delete) v_cut

-- name: sessions_due_for_deactivation
-- Two index scans instead of one over both conditions, which has no index to follow.
(SELECT s.* FROM "{sessions}" s "{cut}" WHERE "{due_idle}"
  UNION ALL
 SELECT s.* FROM "{sessions}" s "{cut}" WHERE "{due_expired}") s

-- name: get
SELECT "{session_columns}" FROM "{sessions}" s WHERE s."{id}" = $1::text::"{id_type}";

-- name: lock_one
SELECT "{session_columns}", now()
  FROM "{sessions}" s
 WHERE s."{id}" = $1::text::"{id_type}" AND ($2::text IS NULL OR "{owner_col}" = $2::text::"{owner_type}")
   FOR NO KEY UPDATE OF s;

-- name: change_one
UPDATE "{sessions}" s
   SET "{active}" = $2::boolean, "{auto_cleanup}" = $3::boolean,
       "{last_activity}" = CASE WHEN $4::timestamptz IS NULL THEN s."{last_activity}" ELSE $4::timestamptz "{last_activity_in}" END,
       "{expires_at}" = $5::timestamptz "{expires_at_in}"
 WHERE s."{id}" = $1::text::"{id_type}";

-- name: delete_one
DELETE FROM "{sessions}" s WHERE s."{id}" = $1::text::"{id_type}";

-- name: counts
SELECT count(*),
       count(*) FILTER (WHERE e.active),
       count(*) FILTER (WHERE NOT e.active),
       count(*) FILTER (WHERE e.at < v_cut.delete),
       count(*) FILTER (WHERE NOT e.auto),
       count(*) FILTER (WHERE d.idle OR d.expired),
       count(*) FILTER (WHERE d.gone),
       extract(epoch FROM coalesce(max(greatest(
           CASE WHEN d.idle OR d.expired THEN v_cut.inactive - e.at END,
           CASE WHEN d.expired THEN v_cut.now - e.ends END,
           CASE WHEN d.gone THEN v_cut.delete - greatest(e.at, e.ends) END)), '0'))::float8 * 1000000
  FROM "{sessions}" s
 "{cut}"
  LEFT JOIN (SELECT t.session_id, max(t.at) AS at FROM "{touches}" t GROUP BY t.session_id) n ON n.session_id = s."{id}"
 CROSS JOIN LATERAL (
       SELECT "{is_active}" AS active, "{is_auto}" AS auto, greatest("{last_activity_out}", n.at) AS at, "{expires_at_out}" AS ends) e
 CROSS JOIN LATERAL (
       SELECT e.active AND e.auto AND e.at < v_cut.inactive AS idle,
              e.active AND e.auto AND v_cut.inactive IS NOT NULL AND e.ends <= v_cut.now AS expired,
              NOT e.active AND e.auto AND s."{last_activity}" IS NOT NULL AND greatest(e.at, e.ends) < v_cut.delete AS gone) d
 WHERE $4::text IS NULL OR "{owner_col}" = $4::text::"{owner_type}";

-- name: touch
-- Writes the sessions that nobody has locked, and gives those that somebody has: the caller must not wait for one
-- session while it holds another.
WITH wanted AS (
    SELECT s."{id}" AS id
      FROM "{sessions}" s
     WHERE s."{id}" = ANY ($1::text[]::"{id_type}"[])
       AND ($2::text IS NULL OR "{owner_col}" = $2::text::"{owner_type}")
       AND (s."{last_activity}" < (clock_timestamp() - $3::bigint * interval '1 microsecond') "{last_activity_in}") IS NOT FALSE
), free AS (
    SELECT s."{id}" AS id
      FROM "{sessions}" s
     WHERE s."{id}" IN (SELECT w.id FROM wanted w)
       AND (s."{last_activity}" < (clock_timestamp() - $3::bigint * interval '1 microsecond') "{last_activity_in}") IS NOT FALSE
       FOR NO KEY UPDATE OF s SKIP LOCKED
), written AS (
    UPDATE "{sessions}" s
       SET "{last_activity}" = clock_timestamp() "{last_activity_in}"
      FROM free f
     WHERE s."{id}" = f.id
    RETURNING f.id
)
SELECT (SELECT count(*) FROM written), ARRAY(SELECT w.id::text FROM wanted w WHERE w.id NOT IN (SELECT k.id FROM written k));

-- name: touch_one
-- Waits for the session.
UPDATE "{sessions}" s
   SET "{last_activity}" = clock_timestamp() "{last_activity_in}"
 WHERE s."{id}" = $1::text::"{id_type}"
   AND ($2::text IS NULL OR "{owner_col}" = $2::text::"{owner_type}")
   AND (s."{last_activity}" < (clock_timestamp() - $3::bigint * interval '1 microsecond') "{last_activity_in}") IS NOT FALSE;

-- name: touch_note
SELECT "{space}".sessioncleanup_note_touches($1::text[]::"{id_type}"[], clock_timestamp(), $2::bigint * interval '1 microsecond');

-- name: lock_inactive
SELECT s."{id}"::text
  FROM "{sessions}" s
 WHERE s."{id}" = ANY ($1::text[]::"{id_type}"[]) AND "{not_active}" AND "{is_auto}" AND ($2::text IS NULL OR "{owner_col}" = $2::text::"{owner_type}")
 ORDER BY s."{id}"
   FOR NO KEY UPDATE OF s;

-- name: reactivate_ids
SELECT "{space}".sessioncleanup_reactivate($1::text[]::"{id_type}"[], $2::text, $3::text, $4::text);

-- name: deactivate
SELECT ids, next, coalesce(failure_code, ''), coalesce(failure, '')
  FROM "{space}".sessioncleanup_deactivate_batch($1::timestamptz, $2::timestamptz, $3::integer, $4::text, $5::text, $6::text, $7::text);

-- name: delete
SELECT ids, next, coalesce(failure_code, ''), coalesce(failure, '')
  FROM "{space}".sessioncleanup_delete_batch($1::timestamptz, $2::timestamptz, $3::integer, $4::text, $5::text, $6::text, $7::text);

-- name: fence
-- The lock keeps the lease from passing to somebody else until the batch is committed.
SELECT FROM "{leases}" l
 WHERE l.name = $1::text AND l.holder = $2::text AND l.epoch = $3::bigint AND l.expires_at > clock_timestamp()
   FOR SHARE;

-- name: lease_take
INSERT INTO "{leases}" AS l (name, holder, epoch, expires_at)
VALUES ($1::text, $2::text, 1, clock_timestamp() + $3::bigint * interval '1 microsecond')
ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder, expires_at = excluded.expires_at,
       epoch = l.epoch + CASE WHEN l.holder = excluded.holder AND l.expires_at > clock_timestamp() THEN 0 ELSE 1 END
 WHERE l.holder = excluded.holder OR l.expires_at <= clock_timestamp()
RETURNING epoch, expires_at;

-- name: lease_show
SELECT l.holder, l.expires_at FROM "{leases}" l WHERE l.name = $1::text;

-- name: lease_release
UPDATE "{leases}" l SET expires_at = 'epoch' WHERE l.name = $1::text AND l.holder = $2::text;

-- name: event_add
INSERT INTO "{events}" (at, action, actor, reason, run_id, session_ids, owner_ids, names, run)
VALUES (coalesce($1::timestamptz, clock_timestamp()), $2::text, $3::text, $4::text, $5::text, $6::text[], $7::text[], $8::text[], $9::text::jsonb)
RETURNING id, at;

-- name: events_forget
DELETE FROM "{events}" e
 WHERE e.id = ANY (ARRAY(SELECT o.id FROM "{events}" o WHERE o.at < $1::timestamptz ORDER BY o.at LIMIT $2::bigint));

-- name: events
SELECT e.id, e.at, e.action, e.actor, e.reason, e.run_id, e.session_ids, e.owner_ids, e.names, e.run
  FROM "{events}" e
 WHERE ($1::text IS NULL AND $2::text IS NULL
        OR EXISTS (SELECT FROM unnest(e.session_ids, e.owner_ids) AS r (id, owner)
                    WHERE ($1::text IS NULL OR r.id = $1::text) AND ($2::text IS NULL OR r.owner = $2::text)))
   AND ($3::text IS NULL OR e.run_id = $3::text)
   AND ($4::text[] IS NULL OR e.action = ANY ($4::text[]))
   AND ($5::bigint IS NULL OR e.id < $5::bigint)
 ORDER BY e.id DESC
 LIMIT $6::integer;

-- name: policy_read
SELECT (extract(epoch FROM inactive_after) * 1000000)::bigint, (extract(epoch FROM delete_after) * 1000000)::bigint,
       auto_cleanup_default, reactivate_on_activity, enabled, (extract(epoch FROM touch_interval) * 1000000)::bigint,
       batch_size, (extract(epoch FROM batch_budget) * 1000000)::bigint, rate, busy_share, max_delete_fraction,
       (extract(epoch FROM events_keep) * 1000000)::bigint, alert_due, alert_activity_rate
  FROM "{policy}";

-- name: policy_write
INSERT INTO "{policy}" (inactive_after, delete_after, auto_cleanup_default, reactivate_on_activity, enabled, touch_interval,
       batch_size, batch_budget, rate, busy_share, max_delete_fraction, events_keep, alert_due, alert_activity_rate)
VALUES ($1::bigint * interval '1 microsecond', $2::bigint * interval '1 microsecond', $3::boolean, $4::boolean, $5::boolean, $6::bigint * interval '1 microsecond',
       $7::integer, $8::bigint * interval '1 microsecond', $9::float8, $10::float8, $11::float8, $12::bigint * interval '1 microsecond', $13::integer, $14::float8)
ON CONFLICT (singleton) DO UPDATE SET
       inactive_after = excluded.inactive_after, delete_after = excluded.delete_after, auto_cleanup_default = excluded.auto_cleanup_default,
       reactivate_on_activity = excluded.reactivate_on_activity, enabled = excluded.enabled, touch_interval = excluded.touch_interval,
       batch_size = excluded.batch_size, batch_budget = excluded.batch_budget, rate = excluded.rate, busy_share = excluded.busy_share,
       max_delete_fraction = excluded.max_delete_fraction, events_keep = excluded.events_keep, alert_due = excluded.alert_due,
       alert_activity_rate = excluded.alert_activity_rate;
