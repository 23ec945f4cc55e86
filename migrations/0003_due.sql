-- The retry loop finds what is due without reading what is parked or waits for days.
CREATE INDEX idx_webhook_dedup_due ON webhook_dedup_events (provider, next_attempt_at)
  WHERE status = 'failed' AND next_attempt_at < 'infinity';
