-- The earlier gate's table, to the letter: where it stands already, with its rows, it is adopted.
CREATE TABLE IF NOT EXISTS webhook_dedup_events (
  id            BIGSERIAL   PRIMARY KEY,
  provider      TEXT        NOT NULL,
  dedup_key     TEXT        NOT NULL,
  first_seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  last_seen_at  TIMESTAMPTZ,
  status        TEXT        NOT NULL DEFAULT 'processing' CHECK (status IN ('processing', 'done', 'failed')),
  request_hash  TEXT,
  CONSTRAINT uq_webhook_dedup_events UNIQUE (provider, dedup_key)
);
-- Redundant beside the unique constraint (about 270 bytes of WAL an event); the earlier gate's schema demands it.
CREATE INDEX IF NOT EXISTS idx_webhook_dedup_provider_key ON webhook_dedup_events (provider, dedup_key);
CREATE INDEX IF NOT EXISTS idx_webhook_dedup_status ON webhook_dedup_events (status)
  WHERE status IN ('processing', 'failed');
CREATE INDEX IF NOT EXISTS idx_webhook_dedup_first_seen ON webhook_dedup_events (first_seen_at DESC);
