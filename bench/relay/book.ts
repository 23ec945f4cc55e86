import type postgres from "postgres"

/** Log rows and records that one event makes: claimed, fact, completed; the first has no record. */
export const RECORDS_PER_EVENT = 2
export const ROWS_PER_EVENT = 3

/**
 * The log rows of `count` events in one commit, as a grouped completion of the gate writes them: facts of the size of a
 * PayPal capture, every fourth one a refund of the payment before.
 */
export const book = (sql: postgres.Sql, from: number, count: number) => sql`
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT 'paypal', 'ev_WH-' || lpad(n::text, 16, '0'), v, type,
         CASE type
           WHEN 'Claimed' THEN jsonb_build_object('fence', 1)
           WHEN 'BillingEventRecorded' THEN jsonb_build_object('fact', jsonb_build_object(
             'type', CASE WHEN n % 4 = 3 THEN 'billing.payment.refunded.v1' ELSE 'billing.payment.captured.v1' END,
             'effect_key', CASE WHEN n % 4 = 3 THEN 'refund:' ELSE 'capture:' END || lpad(n::text, 17, '0') || ':completed',
             'provider_event_type', 'PAYMENT.CAPTURE.COMPLETED', 'provider_event_id', 'WH-' || lpad(n::text, 16, '0'),
             'payment_reference', lpad((n - (n % 4 = 3)::int)::text, 17, '0'), 'object_id', lpad(n::text, 17, '0'),
             'parent_reference', NULL, 'amount', jsonb_build_object('value', '10.50', 'currency', 'EUR'),
             'provider_status', 'COMPLETED', 'occurred_at', '2026-01-02T03:04:05Z', 'confirmed_by', 'signature'))
           ELSE jsonb_build_object('event_type', 'PAYMENT.CAPTURE.COMPLETED', 'note', NULL, 'effects', jsonb_build_array(
             CASE WHEN n % 4 = 3 THEN 'refund:' ELSE 'capture:' END || lpad(n::text, 17, '0') || ':completed')) END,
         '00-' || md5(n::text) || '-' || left(md5(n::text), 16) || '-01'
    FROM generate_series(${from}::bigint, ${from + count - 1}::bigint) n,
         (VALUES (1, 'Claimed'), (1, 'BillingEventRecorded'), (2, 'Completed')) step (v, type)
   ORDER BY n, v, type DESC`
