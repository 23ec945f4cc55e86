import type postgres from "postgres"

/** The fact number `n` of a payment, as the gate books it: `n` stands in the effect key, so order and gaps show. */
export const fact = (payment: string, n: number) => ({
  type: "billing.payment.captured.v1",
  effect_key: `capture:${payment}:${n}`,
  provider_event_type: "PAYMENT.CAPTURE.COMPLETED",
  provider_event_id: `WH-${payment}-${n}`,
  payment_reference: payment,
  object_id: payment,
  parent_reference: null,
  amount: { value: "10.50", currency: "EUR" },
  provider_status: "COMPLETED",
  occurred_at: "2026-01-02T03:04:05Z",
  confirmed_by: "signature"
})

/** A lock for each payment, as the gate's claim is one for each event. */
export const prepare = (sql: postgres.Sql, keys: number) =>
  sql.unsafe(`CREATE TABLE written (payment TEXT PRIMARY KEY, n INT NOT NULL);
              INSERT INTO written SELECT 'P' || k, 0 FROM generate_series(1, ${keys}) k`)

/**
 * One transaction of the gate: locks its payment, takes the next number and writes a claim, the fact and the completion.
 * `early` makes it take its transaction id first; `holdMs` keeps it open after its rows have their positions.
 */
export const writeOne = async (
  sql: postgres.Sql,
  payment: string,
  { early = false, holdMs = 0 }: { readonly early?: boolean; readonly holdMs?: number } = {}
) =>
  sql.begin(async (tx) => {
    if (early) {
      await tx`SELECT pg_current_xact_id()`
      await tx`SELECT pg_sleep(${Math.random() / 200})`
    }
    const [row] = await tx<
      [{ n: number }]
    >`UPDATE written SET n = n + 1 WHERE payment = ${payment} RETURNING n`
    const booked = fact(payment, row.n)
    await tx`
      INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
      VALUES ('paypal', ${`ev_${payment}`}, 1, 'Claimed', '{}'),
             ('paypal', ${`ev_${payment}`}, 1, 'BillingEventRecorded', ${tx.json({ fact: booked })}),
             ('paypal', ${`ev_${payment}`}, 2, 'Completed', ${tx.json({ event_type: booked.provider_event_type, note: null, effects: [booked.effect_key] })})`
    if (holdMs > 0) await tx`SELECT pg_sleep(${holdMs / 1000})`
  })

/** Rows in bulk: `payments` facts with their completions, one of each payment, in one transaction. */
export const writeBulk = (sql: postgres.Sql, payments: number, name = "B") =>
  sql`
    INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
    SELECT 'paypal', ${`ev_${name}`} || k, 1, t, CASE t
             WHEN 'BillingEventRecorded' THEN jsonb_build_object('fact', ${sql.json(fact("x", 1))}
               || jsonb_build_object('effect_key', 'capture:' || ${name}::text || k || ':1', 'payment_reference', ${name}::text || k))
             ELSE jsonb_build_object('event_type', 'X', 'note', NULL, 'effects', jsonb_build_array('capture:' || ${name}::text || k || ':1')) END
      FROM generate_series(1, ${payments}::int) k, unnest(ARRAY['BillingEventRecorded', 'Completed']) t`

export interface Writers {
  readonly done: Promise<void>
  readonly written: () => number
}

/** Concurrent writers over `keys` payments until `stop` says so, a third of them with early ids and odd delays. */
export const startWriters = (
  sql: postgres.Sql,
  options: {
    readonly writers: number
    readonly keys: number
    readonly stop: (written: number) => boolean
    readonly pauseMs?: number
  }
): Writers => {
  let written = 0
  const writer = async () => {
    while (!options.stop(written)) {
      written += 1
      await writeOne(sql, `P${1 + Math.floor(Math.random() * options.keys)}`, {
        early: Math.random() < 0.3,
        holdMs: Math.random() < 0.2 ? Math.random() * 15 : 0
      })
      if (options.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.pauseMs))
    }
  }
  const done = Promise.all(Array.from({ length: options.writers }, writer)).then(() => {})
  return { done, written: () => written }
}
