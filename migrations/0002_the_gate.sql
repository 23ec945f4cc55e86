-- What the gate adds. Every added column has a default, so that an INSERT of the base columns alone works.
ALTER TABLE webhook_dedup_events
  ADD COLUMN fence           INTEGER     NOT NULL DEFAULT 1, -- +1 at every claim
  ADD COLUMN version         INTEGER     NOT NULL DEFAULT 0, -- changes of state in the log
  ADD COLUMN attempts        INTEGER     NOT NULL DEFAULT 0, -- counted failures: at the limit the event is parked
  ADD COLUMN failures        INTEGER     NOT NULL DEFAULT 0, -- all failures: the backoff grows with them
  ADD COLUMN claim_token     UUID,                           -- of the request that claimed: resolves a lost reply
  ADD COLUMN lease_until     TIMESTAMPTZ,                    -- in no index: heartbeats stay HOT
  ADD COLUMN next_attempt_at TIMESTAMPTZ,                    -- of a failed row; infinity = parked
  ADD COLUMN changed_at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), -- of the last change of state
  ADD COLUMN error_code      TEXT,                           -- from a closed list, never a message
  ADD COLUMN event_type      TEXT;                           -- the provider's
ALTER TABLE webhook_dedup_events SET (
  fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05
);
-- An ORM of the earlier gate made this index without its predicate.
DROP INDEX idx_webhook_dedup_status;
CREATE INDEX idx_webhook_dedup_status ON webhook_dedup_events (status) WHERE status IN ('processing', 'failed');

-- Rules 1 and 2 of the state machine, against any writer. The WHEN clause lists what is allowed, so that an allowed
-- change does not even call the function.
CREATE FUNCTION webhook_dedup_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'an event that is not done cannot be deleted' USING ERRCODE = 'OG002';
  END IF;
  IF OLD.status = 'done' AND to_jsonb(NEW) - 'last_seen_at' = to_jsonb(OLD) - 'last_seen_at' THEN
    RETURN NULL; -- last_seen_at of a done row moves at most once a minute
  END IF;
  IF OLD.status = 'done' THEN
    RAISE EXCEPTION 'done is final' USING ERRCODE = 'OG002';
  END IF;
  RAISE EXCEPTION 'a change of state needs its fence' USING ERRCODE = 'OG002';
END $$;
CREATE TRIGGER webhook_dedup_guard_update BEFORE UPDATE ON webhook_dedup_events FOR EACH ROW
  WHEN (NOT (
    NEW.id = OLD.id AND NEW.provider = OLD.provider AND NEW.dedup_key = OLD.dedup_key
    AND (OLD.request_hash IS NULL OR NEW.request_hash IS NOT DISTINCT FROM OLD.request_hash)
    AND (
      (OLD.status = 'processing' AND NEW.fence = OLD.fence)
      OR (OLD.status IN ('processing', 'failed') AND NEW.status = 'processing' AND NEW.fence = OLD.fence + 1)
      OR (OLD.status = 'failed' AND NEW.fence = OLD.fence
          AND (NEW.status = 'failed' OR (NEW.status = 'done' AND NEW.error_code IS NOT DISTINCT FROM 'dismissed')))
      OR (OLD.status = 'done' AND NEW.status = 'done' AND NEW.fence = OLD.fence
          AND NEW.error_code IS NOT DISTINCT FROM OLD.error_code
          AND (NEW.version = OLD.version + 1
               OR (NEW.version = OLD.version
                   AND (OLD.last_seen_at IS NULL OR NEW.last_seen_at >= OLD.last_seen_at + interval '1 minute'))))
    )))
  EXECUTE FUNCTION webhook_dedup_guard();
CREATE TRIGGER webhook_dedup_guard_delete BEFORE DELETE ON webhook_dedup_events FOR EACH ROW
  WHEN (OLD.status <> 'done') EXECUTE FUNCTION webhook_dedup_guard();

CREATE TABLE webhook_endpoints (
  name          TEXT        PRIMARY KEY,
  kind          TEXT        NOT NULL,
  environment   TEXT        NOT NULL CHECK (environment IN ('live', 'sandbox', 'simulated')),
  pseudonym_key BYTEA       NOT NULL, -- HMAC key for customer and billing keys: no rotation may change a reference
  created_at    TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Custody: the raw body under AES-256-GCM; salt, nonce, ciphertext and tag in one value.
CREATE TABLE webhook_payloads (
  provider   TEXT        NOT NULL,
  dedup_key  TEXT        NOT NULL,
  key_id     TEXT        NOT NULL,
  sealed     BYTEA       NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, dedup_key)
);
-- Ciphertext does not compress; trying costs time.
ALTER TABLE webhook_payloads ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- PayPal's signature covers only a CRC-32 of the body, so one transmission may carry one body only.
CREATE TABLE webhook_transmissions (
  provider        TEXT        NOT NULL,
  transmission_id TEXT        NOT NULL,
  crc32           BIGINT      NOT NULL,
  request_hash    TEXT        NOT NULL,
  seen_at         TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, transmission_id, crc32)
);

-- A billing fact is booked once per endpoint, for ever: never purged. Byte order, so that prefixes are ranges.
CREATE TABLE billing_effects (
  provider    TEXT        NOT NULL,
  effect_key  TEXT        COLLATE "C" NOT NULL,
  dedup_key   TEXT        NOT NULL, -- the owner
  digest      TEXT        NOT NULL, -- SHA-256 of amount, currency and parent
  recorded_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CONSTRAINT uq_billing_effects UNIQUE (provider, effect_key)
);

-- The log: event store and outbox at once. Append-only; partitions are dropped when published and past retention.
CREATE SEQUENCE webhook_event_log_position_seq AS BIGINT;
CREATE TABLE webhook_event_log (
  position    BIGINT      NOT NULL DEFAULT nextval('webhook_event_log_position_seq') PRIMARY KEY,
  xid         XID8        NOT NULL DEFAULT pg_current_xact_id(),
  provider    TEXT        NOT NULL,
  dedup_key   TEXT        NOT NULL,
  version     INTEGER     NOT NULL,            -- of the stream after this event; a note repeats the version it saw
  type        TEXT        NOT NULL,
  type_version SMALLINT   NOT NULL DEFAULT 1,  -- of the shape of data: older ones are upcast
  data        JSONB       NOT NULL,
  event_id    UUID        NOT NULL DEFAULT gen_random_uuid(),
  trace       TEXT,                            -- traceparent
  at          TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (position);
ALTER SEQUENCE webhook_event_log_position_seq OWNED BY webhook_event_log.position;
CREATE INDEX webhook_event_log_xid ON webhook_event_log (xid);
CREATE INDEX webhook_event_log_stream ON webhook_event_log (provider, dedup_key, position);
-- Nothing may be refused for want of a partition.
CREATE TABLE webhook_event_log_rest PARTITION OF webhook_event_log DEFAULT;

CREATE FUNCTION webhook_event_log_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'OG002';
END $$;
CREATE TRIGGER webhook_event_log_append_only BEFORE UPDATE OR DELETE ON webhook_event_log
  FOR EACH ROW EXECUTE FUNCTION webhook_event_log_append_only();
CREATE TRIGGER webhook_event_log_no_truncate BEFORE TRUNCATE ON webhook_event_log
  FOR EACH STATEMENT EXECUTE FUNCTION webhook_event_log_append_only();

-- Makes sure that at least two partitions lie ahead of the sequence; called at start and now and then.
CREATE FUNCTION webhook_event_log_extend(size BIGINT DEFAULT 4000000) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  lower_bound BIGINT;
  head BIGINT;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('webhook_event_log_extend', 0));
  SELECT last_value INTO head FROM webhook_event_log_position_seq;
  FOR step IN 0..2 LOOP
    lower_bound := (head / size + step) * size;
    IF to_regclass(format('webhook_event_log_%s', lower_bound)) IS NULL
       AND NOT EXISTS (SELECT FROM webhook_event_log_rest WHERE position >= lower_bound AND position < lower_bound + size)
    THEN
      EXECUTE format('CREATE TABLE webhook_event_log_%s PARTITION OF webhook_event_log FOR VALUES FROM (%s) TO (%s)',
                     lower_bound, lower_bound, lower_bound + size);
    END IF;
  END LOOP;
END $$;
SELECT webhook_event_log_extend();

-- Where the relay stands; design in docs/architecture.md. One relay, one line of batches.
CREATE TABLE relay_checkpoint (
  batch            BIGINT      PRIMARY KEY,
  nonce            UUID        NOT NULL,
  from_snapshot    TEXT        NOT NULL,
  to_snapshot      TEXT        NOT NULL,
  position         BIGINT      NOT NULL, -- last position of the difference that was published; -1: none of it
  kafka_cluster_id TEXT        NOT NULL,
  created_at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  confirmed_at     TIMESTAMPTZ
);

-- Raises where a grouped statement met a row that its snapshot cannot see: the group is repeated on a new one.
CREATE FUNCTION oncegate_repeat(because TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'repeat: %', because USING ERRCODE = 'OG001';
END $$;

-- The earlier gate kept no bodies: what it left open can only be settled by a person or by a redelivery.
WITH open AS (
  UPDATE webhook_dedup_events
     SET status = 'failed', next_attempt_at = 'infinity', error_code = 'no_custody', version = 1
   WHERE status = 'failed' OR status = 'processing'
  RETURNING provider, dedup_key
)
INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
SELECT provider, dedup_key, 1, 'Parked',
       jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0, 'code', 'no_custody')
  FROM open;
