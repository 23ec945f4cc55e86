-- A double-entry ledger: each fact becomes one entry of lines that add up to zero, in integers of the smallest unit.
CREATE TABLE IF NOT EXISTS currencies (
  code     TEXT PRIMARY KEY CHECK (code ~ '^[A-Z]{3}$'),
  decimals INT  NOT NULL CHECK (decimals BETWEEN 0 AND 4)   -- ISO 4217: 0 for KRW, 2 for USD
);

CREATE TABLE IF NOT EXISTS entries (
  event_id          TEXT PRIMARY KEY,                        -- ce_id
  type              TEXT NOT NULL,
  endpoint          TEXT NOT NULL,
  environment       TEXT NOT NULL,                           -- only `live` is money
  payment_reference TEXT NOT NULL,
  occurred_at       TIMESTAMPTZ,                             -- as the provider tells it, where it makes sense
  booked_at         TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_entries_payment ON entries (endpoint, payment_reference);

CREATE TABLE IF NOT EXISTS lines (
  event_id TEXT NOT NULL REFERENCES entries,
  account  TEXT NOT NULL CHECK (account IN ('clearing', 'revenue', 'refunds', 'chargebacks')),
  currency TEXT NOT NULL REFERENCES currencies,
  minor    NUMERIC(38, 0) NOT NULL CHECK (minor <> 0),       -- debit positive, credit negative
  PRIMARY KEY (event_id, account)
);

-- At COMMIT: an entry without lines, or one whose lines do not add up to zero in each currency, is refused.
CREATE OR REPLACE FUNCTION entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM lines WHERE event_id = NEW.event_id)
     OR EXISTS (SELECT FROM lines WHERE event_id = NEW.event_id GROUP BY currency HAVING sum(minor) <> 0) THEN
    RAISE EXCEPTION 'an entry does not balance' USING ERRCODE = '23514', CONSTRAINT = 'entry_balances';
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS entry_balances ON entries;
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON entries
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entry_balances();
DROP TRIGGER IF EXISTS lines_balance ON lines;
CREATE CONSTRAINT TRIGGER lines_balance AFTER INSERT ON lines
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entry_balances();

-- What is booked stays: a mistake is mended by another entry.
CREATE OR REPLACE FUNCTION booked_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what is booked stays' USING ERRCODE = '23001';
END $$;
DROP TRIGGER IF EXISTS entries_stay ON entries;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION booked_stays();
DROP TRIGGER IF EXISTS lines_stay ON lines;
CREATE TRIGGER lines_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON lines EXECUTE FUNCTION booked_stays();

CREATE OR REPLACE VIEW balances AS
  SELECT environment, currency, decimals, account, sum(minor) AS minor
    FROM lines JOIN entries USING (event_id) JOIN currencies ON code = currency
   GROUP BY environment, currency, decimals, account;

-- Payments that gave back more than came in. A refund may be told before its capture: such a payment stands here until
-- the capture arrives. One that stays wants a person.
CREATE OR REPLACE VIEW overdrawn AS
  SELECT endpoint, environment, payment_reference, currency, sum(minor) AS minor
    FROM lines JOIN entries USING (event_id)
   WHERE account = 'clearing'
   GROUP BY endpoint, environment, payment_reference, currency HAVING sum(minor) < 0;
