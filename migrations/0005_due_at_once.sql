-- A writer of the base columns alone does not know when a failed event is due: it is due at once, and not for ever unseen.
CREATE FUNCTION webhook_dedup_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.next_attempt_at := clock_timestamp();
  NEW.error_code := coalesce(NEW.error_code, 'no_custody');
  RETURN NEW;
END $$;
CREATE TRIGGER webhook_dedup_due BEFORE INSERT OR UPDATE ON webhook_dedup_events FOR EACH ROW
  WHEN (NEW.status = 'failed' AND NEW.next_attempt_at IS NULL)
  EXECUTE FUNCTION webhook_dedup_due();
UPDATE webhook_dedup_events SET next_attempt_at = clock_timestamp(), error_code = coalesce(error_code, 'no_custody')
 WHERE status = 'failed' AND next_attempt_at IS NULL;
