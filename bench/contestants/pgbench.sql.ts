/**
 * One event at a time, as a bare SQL client would: claim and log, commit; done and log, commit. On the gate's own tables
 * and indexes, without custody, transmissions and effects.
 */
export const script = `
\\set n :n + 1
WITH c AS (
  INSERT INTO webhook_dedup_events (provider, dedup_key, status, request_hash, version, claim_token, lease_until)
  VALUES ('paypal', 'ev_WH-' || md5(:run::text || ' ' || :client_id::text || ' ' || :n::text), 'processing',
          md5(:n::text) || md5(:client_id::text), 1, gen_random_uuid(), clock_timestamp() + interval '30 s')
  ON CONFLICT (provider, dedup_key) DO NOTHING RETURNING provider, dedup_key, request_hash)
INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
SELECT provider, dedup_key, 1, 'Claimed', jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0,
       'request_hash', request_hash, 'event_type', 'PAYMENT.CAPTURE.COMPLETED') FROM c;
WITH c AS (
  UPDATE webhook_dedup_events SET status = 'done', lease_until = NULL, version = 2, changed_at = clock_timestamp()
   WHERE provider = 'paypal' AND dedup_key = 'ev_WH-' || md5(:run::text || ' ' || :client_id::text || ' ' || :n::text)
     AND status || '' = 'processing' AND fence = 1 RETURNING provider, dedup_key)
INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
SELECT provider, dedup_key, 2, 'Completed', jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0) FROM c;
`
