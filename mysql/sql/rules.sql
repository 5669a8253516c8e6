-- The rules of the lifecycle as SQL, on the sessions as they are seen or as their table has them: see rules.go in the
-- root package.

-- name: running
("{its_active}" AND "{its_auto_cleanup}")

-- name: ended
(NOT "{its_active}" AND "{its_auto_cleanup}")

-- name: kept_since
GREATEST("{its_last_activity}", COALESCE("{its_expires_at}", "{its_last_activity}"), "{its_deactivated_at}")

-- name: due_idle
("{running}" AND NOT "{untracked}" AND "{its_last_activity}" < "{cut_inactive}")

-- name: due_expired
-- Expired, and not idle as well.
("{running}" AND "{cut_inactive}" IS NOT NULL AND "{its_expires_at}" <= :now AND NOT COALESCE(NOT "{untracked}" AND "{its_last_activity}" < "{cut_inactive}", FALSE))

-- name: tracked
(NOT "{untracked}" OR "{its_expires_at}" IS NOT NULL)

-- name: has_notice
EXISTS (SELECT 1 FROM sessioncleanup_notices AS w WHERE w.session = CAST("{its_id}" AS BINARY) AND w.kept_since = "{kept_since}")

-- name: warned_enough
-- No warning is needed, or that for this idle period was delivered, or given up where that counts, long enough ago.
("{cut_warned}" IS NULL OR EXISTS (
  SELECT 1 FROM sessioncleanup_notices AS w
   WHERE w.session = CAST("{its_id}" AS BINARY) AND w.kept_since = "{kept_since}" AND (w.delivered_at <= "{cut_warned}" OR w.failed_at <= "{cut_given_up}")))

-- name: due_gone
("{ended}" AND "{kept_since}" < "{cut_delete}" AND "{tracked}" AND "{warned_enough}")

-- name: due_to_warn
("{ended}" AND "{kept_since}" < "{cut_warn}" AND "{tracked}" AND NOT "{has_notice}")

-- name: due_undated
("{ended}" AND "{its_deactivated_at}" IS NULL)

-- name: due_ahead
("{its_auto_cleanup}" AND "{its_last_activity}" > :ahead AND "{its_last_activity}" < TIMESTAMP'9000-01-01 00:00:00')

-- name: never_due
("{running}" AND ("{untracked}" OR "{its_last_activity}" >= TIMESTAMP'9000-01-01 00:00:00')
 AND COALESCE("{its_expires_at}" >= TIMESTAMP'9000-01-01 00:00:00', TRUE))

-- name: status_active
("{running}" AND NOT COALESCE("{status_to_deactivate}", FALSE))

-- name: status_to_deactivate
("{due_idle}" OR "{due_expired}")

-- name: status_inactive
("{ended}" AND NOT COALESCE("{due_gone}", FALSE))

-- name: status_to_delete
"{due_gone}"

-- name: status_to_warn
"{due_to_warn}"

-- name: status_waiting
("{ended}" AND "{kept_since}" < "{cut_delete}" AND "{tracked}" AND NOT "{warned_enough}")

-- name: status_protected
(NOT "{its_auto_cleanup}")

-- name: with_text
-- ASCII letters match in either case. In a character set without other letters that have a case LOWER changes only those.
(LOCATE(LOWER(CONVERT(CAST(:text AS BINARY) USING hebrew)) COLLATE hebrew_bin, LOWER(CONVERT(CAST("{name_text}" AS BINARY) USING hebrew)) COLLATE hebrew_bin) > 0
 OR LOCATE(LOWER(CONVERT(CAST(:text AS BINARY) USING hebrew)) COLLATE hebrew_bin, LOWER(CONVERT(CAST("{code_text}" AS BINARY) USING hebrew)) COLLATE hebrew_bin) > 0
 OR LOCATE(LOWER(CONVERT(CAST(:text AS BINARY) USING hebrew)) COLLATE hebrew_bin, LOWER(CONVERT(CAST("{id_text}" AS BINARY) USING hebrew)) COLLATE hebrew_bin) > 0)
