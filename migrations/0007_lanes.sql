-- The retry loop finds what is due of each lane without reading the other lanes: a flood of forged events that wait to be
-- asked for again must cost the others nothing. The index of 0003 could not be used: its predicate did not follow from
-- the question, which compared with a volatile clock.
DROP INDEX idx_webhook_dedup_due;
CREATE INDEX idx_webhook_dedup_due ON webhook_dedup_events (
  provider, (CASE WHEN error_code IN ('unconfirmed', 'provider_busy') THEN error_code ELSE 'retry' END), next_attempt_at
) WHERE status = 'failed' AND next_attempt_at < 'infinity';
