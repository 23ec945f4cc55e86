-- How far each kind of retention has come. A sweep locks its mark, so one instance works at a time and the others pass
-- by; the audit reads here what may rightly be gone.
CREATE TABLE retention_marks (
  what          TEXT        PRIMARY KEY,
  log_position  BIGINT      NOT NULL DEFAULT 0,            -- the log was swept, or dropped, up to here
  gone_before   TIMESTAMPTZ NOT NULL DEFAULT '-infinity'   -- what ended before may be gone
);
INSERT INTO retention_marks (what) VALUES ('bodies'), ('bodies_without_fact'), ('keys'), ('log');

-- The only index that retention adds. Written with the claim, never updated: completions and heartbeats do not see it.
CREATE INDEX webhook_transmissions_seen ON webhook_transmissions (seen_at);
