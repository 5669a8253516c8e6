-- The rules of the lifecycle as SQL, on the sessions as they are seen: see rules.go in the root package.

-- name: running
(t.active AND t.auto_cleanup)

-- name: ended
(NOT t.active AND t.auto_cleanup)

-- name: kept_since
GREATEST(t.last_activity, COALESCE(t.expires_at, t.last_activity), t.deactivated_at)

-- name: due_idle
("{running}" AND NOT "{untracked}" AND t.last_activity < :inactive)

-- name: due_expired
-- Expired, and not idle as well.
("{running}" AND :inactive IS NOT NULL AND t.expires_at <= :now AND NOT COALESCE(NOT "{untracked}" AND t.last_activity < :inactive, FALSE))

-- name: due_gone
("{ended}" AND "{kept_since}" < :delete AND (NOT "{untracked}" OR t.expires_at IS NOT NULL))

-- name: due_undated
("{ended}" AND t.deactivated_at IS NULL)

-- name: due_ahead
(t.auto_cleanup AND t.last_activity > :ahead AND t.last_activity < TIMESTAMP'9000-01-01 00:00:00')

-- name: never_due
("{running}" AND ("{untracked}" OR t.last_activity >= TIMESTAMP'9000-01-01 00:00:00')
 AND COALESCE(t.expires_at >= TIMESTAMP'9000-01-01 00:00:00', TRUE))

-- name: status_active
("{running}" AND NOT COALESCE("{status_to_deactivate}", FALSE))

-- name: status_to_deactivate
("{due_idle}" OR "{due_expired}")

-- name: status_inactive
("{ended}" AND NOT COALESCE("{due_gone}", FALSE))

-- name: status_to_delete
"{due_gone}"

-- name: status_protected
(NOT t.auto_cleanup)

-- name: with_text
-- ASCII letters match in either case. In a character set without other letters that have a case LOWER changes only those.
(LOCATE(LOWER(CONVERT(CAST(:text AS BINARY) USING hebrew)) COLLATE hebrew_bin, LOWER(CONVERT(CAST("{name_text}" AS BINARY) USING hebrew)) COLLATE hebrew_bin) > 0
 OR LOCATE(LOWER(CONVERT(CAST(:text AS BINARY) USING hebrew)) COLLATE hebrew_bin, LOWER(CONVERT(CAST("{code_text}" AS BINARY) USING hebrew)) COLLATE hebrew_bin) > 0
 OR LOCATE(LOWER(CONVERT(CAST(:text AS BINARY) USING hebrew)) COLLATE hebrew_bin, LOWER(CONVERT(CAST("{id_text}" AS BINARY) USING hebrew)) COLLATE hebrew_bin) > 0)
