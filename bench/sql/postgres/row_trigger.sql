-- The usual handwritten way to track activity.
CREATE FUNCTION touch_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sessions SET last_activity = now() WHERE id = NEW.session_id;
    RETURN NULL;
END $$;

CREATE TRIGGER touch_session AFTER INSERT ON propositions FOR EACH ROW EXECUTE FUNCTION touch_session();
