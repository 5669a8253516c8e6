-- The rules of the lifecycle, as sessioncleanup.Cutoffs states them. A cutoff is NULL where its phase is off, and a
-- comparison with NULL is never true. NULL and everything but 0 is active; NULL and everything but 1 is protected.
-- The conditions of the indexes (migrations/sqlite/indexes.sql) are repeated here word for word.

-- name: running
-- Each row that is a session is in exactly one of this and the next two.
"{active}" IS NOT 0 AND "{auto_cleanup}" IS 1"{if_visible}"

-- name: ended
"{active}" IS 0 AND "{auto_cleanup}" IS 1"{if_visible}"

-- name: protected
"{auto_cleanup}" IS NOT 1"{if_visible}"

-- name: due_idle
"{running}" AND "{last_activity_at}" < "{inactive_cutoff}"

-- name: has_expires_at
-- Not IS NOT NULL: for that SQLite would look into each variable of a statement, and prepare it again when it is bound.
("{expires_at}" IS NULL) IS 0

-- name: due_expired
-- Expired, and not idle as well.
"{running}" AND "{has_expires_at}" AND "{expires_at_at}" <= "{expiry_cutoff}"
 AND ("{last_activity_at}" < "{inactive_cutoff}") IS NOT 1

-- name: has_expiry
"{expires_at_at}" IS NOT NULL

-- name: due_gone
"{ended}" AND "{kept_since}" < "{delete_cutoff}"
 AND "{tracked}" AND "{warned_enough}"

-- name: due_to_warn
"{ended}" AND "{kept_since}" < "{warn_cutoff}"
 AND "{tracked}" AND NOT "{has_notice}"

-- name: due_undated
"{ended}" AND "{kept_since}" IS NULL

-- name: due_ahead
-- Used in the future, when read from there on; year 9000 stands for never and for unreadable times.
"{running}" AND "{last_activity_at}" < '9000-01-01 00:00:00.000'

-- name: due_inactive_ahead
"{ended}" AND "{last_activity_at}" > :ahead AND "{last_activity_at}" < '9000-01-01 00:00:00.000'

-- name: never_due
-- Active, and nothing ever makes it due.
"{running}" AND "{never_idle}" AND coalesce("{expires_at_at}", '9999') >= '9000-01-01 00:00:00.000'

-- name: never_idle
"{last_activity_at}" >= '9000-01-01 00:00:00.000'

-- name: status_active
"{running}"
 AND ("{last_activity_at}" < "{inactive_cutoff}") IS NOT 1 AND ("{expires_at_at}" <= "{expiry_cutoff}") IS NOT 1

-- name: status_to_deactivate
"{running}"
 AND ("{last_activity_at}" < "{inactive_cutoff}" OR "{expires_at_at}" <= "{expiry_cutoff}")

-- name: status_inactive
"{ended}" AND ("{due_gone}") IS NOT 1

-- name: status_to_delete
"{due_gone}"

-- name: status_to_warn
"{due_to_warn}"

-- name: status_waiting
"{ended}" AND "{kept_since}" < "{delete_cutoff}"
 AND "{tracked}" AND NOT "{warned_enough}"

-- name: status_protected
"{protected}"

-- name: with_id
"{id}" = :id

-- name: with_owner
"{owner}" = :owner

-- name: with_tags
-- As Filter.Tags, whose words are a list.
NOT EXISTS (SELECT 1 FROM json_each(:tags) AS w
             WHERE EXISTS (SELECT 1 FROM "{tags}" AS t
                            WHERE t.session_id = "{id_text}" AND instr('|' || ltrim(w.value, '-') || '|', '|' || t.tag || '|') > 0)
                   = (substr(w.value, 1, 1) = '-'))

-- name: with_text
-- lower() changes ASCII letters only, as the contract wants it.
(instr(lower("{name_text}"), lower(:text)) > 0 OR instr(lower("{code_text}"), lower(:text)) > 0
 OR instr(lower("{id_text}"), lower(:text)) > 0)
