import type postgres from "postgres"

const FACTS_PER_COMMIT = 8
/** Payments of one writer that keeps each commit open until the relay has published what came behind it. */
const OVERTAKEN_MS = 5000
const SLOW = ["S1", "S2", "S3"]

/** The ledger of what was written, and facts for each payment numbered from one. */
export const prepare = (sql: postgres.Sql, payments: number) =>
  sql.unsafe(`CREATE TABLE written (payment TEXT PRIMARY KEY, n INT NOT NULL);
              INSERT INTO written SELECT 'P' || lpad(k::text, 5, '0'), 0 FROM generate_series(1, ${payments}) k;
              INSERT INTO written SELECT unnest(ARRAY['${SLOW.join("', '")}']), 0`)

/**
 * One commit of the gate: takes the next number of some payments and writes claim, fact and completion of each. `early`
 * gives it an old transaction id, `hold` keeps it open when its rows have their positions: others overtake it.
 */
const commit = (
  sql: postgres.Sql,
  payments: ReadonlyArray<string>,
  early: boolean,
  hold: (tx: postgres.TransactionSql) => PromiseLike<unknown>
) =>
  sql.begin(async (tx) => {
    if (early) await tx`SELECT pg_current_xact_id(), pg_sleep(${Math.random() / 200})`
    await tx`SELECT 1 FROM written WHERE payment = ANY (${payments as Array<string>}) ORDER BY payment FOR UPDATE`
    await tx`
      WITH next AS (UPDATE written SET n = n + 1 WHERE payment = ANY (${payments as Array<string>}) RETURNING payment, n)
      INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
      SELECT 'paypal', 'ev_' || payment || '_' || n, step.v, step.type, CASE step.type
        WHEN 'Claimed' THEN '{}'
        WHEN 'BillingEventRecorded' THEN jsonb_build_object('fact', jsonb_build_object(
          'type', 'billing.payment.captured.v1', 'effect_key', 'capture:' || payment || ':' || n,
          'provider_event_type', 'PAYMENT.CAPTURE.COMPLETED', 'provider_event_id', 'WH-' || payment || '-' || n,
          'payment_reference', payment, 'object_id', payment, 'parent_reference', NULL,
          'amount', jsonb_build_object('value', '10.50', 'currency', 'EUR'), 'provider_status', 'COMPLETED',
          'occurred_at', '2026-01-02T03:04:05Z', 'confirmed_by', 'signature'))
        ELSE jsonb_build_object('event_type', 'PAYMENT.CAPTURE.COMPLETED', 'note', NULL,
          'effects', jsonb_build_array('capture:' || payment || ':' || n)) END
        FROM next, (VALUES (1, 'Claimed'), (1, 'BillingEventRecorded'), (2, 'Completed')) step (v, type)
       ORDER BY payment, step.v, step.type DESC`
    await hold(tx)
  })

/** Concurrent writers that write as many facts as they are allowed, until they are stopped. */
export const startWriters = (
  sql: postgres.Sql,
  options: {
    readonly writers: number
    readonly payments: number
    readonly random: () => number
    /** The highest position of the log that the relay has published. */
    readonly published: () => Promise<number>
  }
) => {
  const { payments, random } = options
  let allowed = 0
  let begun = 0
  let written = 0
  let stopped = false
  const writer = async () => {
    while (!stopped) {
      if (begun >= allowed) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      const some = new Set<string>()
      const count = Math.min(FACTS_PER_COMMIT, allowed - begun, payments)
      while (some.size < count)
        some.add(`P${String(1 + Math.floor(random() ** 2 * payments)).padStart(5, "0")}`)
      begun += count
      await commit(sql, [...some].sort(), random() < 0.3, async (tx) => {
        if (random() < 0.2) await tx`SELECT pg_sleep(${random() / 40})`
      })
      written += count
    }
  }
  const slowWriter = async () => {
    while (!stopped)
      await commit(sql, SLOW, random() < 0.5, async (tx) => {
        const [last] = await tx<[{ at: string }]>`SELECT last_value AS at FROM webhook_event_log_position_seq`
        const end = performance.now() + OVERTAKEN_MS
        while (!stopped && performance.now() < end && (await options.published()) <= Number(last.at))
          await new Promise((resolve) => setTimeout(resolve, 20))
      })
  }
  const done = Promise.all([slowWriter(), ...Array.from({ length: options.writers }, writer)])
  return {
    allow: (facts: number) => {
      allowed = facts
    },
    written: () => written,
    stop: async () => {
      stopped = true
      await done
    }
  }
}
