-- Every rebase of the relay's checkpoint: who, why, what it found and what it did. Never changed by anything else.
CREATE TABLE relay_rebases (
  id          BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  begun_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  finished_at TIMESTAMPTZ,              -- null: broken off; the relay stays refused until another one is through
  acted_by    TEXT        NOT NULL,
  reason      TEXT        NOT NULL,
  refusal     TEXT,                     -- what the relay refused; null where a person asked for it all the same
  start_at    TEXT        NOT NULL,     -- kafka, postgres or a position
  summary     JSONB                     -- counts only
);

-- Records that the topics hold and this log does not: published from a history that a restore undid. Their effects are
-- booked again from them, so that no redelivery publishes them twice; the audit takes them for known.
CREATE TABLE relay_strays (
  topic     TEXT        NOT NULL CHECK (topic IN ('events', 'outcomes')),
  id        TEXT        NOT NULL, -- ce_id
  key       TEXT        NOT NULL,
  type      TEXT        NOT NULL,
  data      JSONB       NOT NULL,
  position  BIGINT,               -- ce_sequence, of the log that is gone
  at        TIMESTAMPTZ,          -- ce_time
  rebase    BIGINT      NOT NULL REFERENCES relay_rebases (id),
  PRIMARY KEY (topic, id)
);

-- What each relay says about itself, every few seconds: whoever looks from outside its process sees why it stands still.
CREATE TABLE relay_reports (
  instance    UUID        PRIMARY KEY,
  state       TEXT        NOT NULL,
  code        TEXT,
  explanation TEXT,
  records     BIGINT      NOT NULL,     -- published by this process so far
  rate        REAL        NOT NULL,     -- records a second since its last report
  since       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), -- of this state and code
  reported_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
