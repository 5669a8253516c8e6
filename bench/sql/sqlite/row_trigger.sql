-- The usual handwritten way to track activity.
CREATE TRIGGER touch_session AFTER INSERT ON propositions BEGIN
    UPDATE sessions SET last_activity = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = NEW.session_id;
END;
