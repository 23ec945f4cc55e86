import { Effect } from "effect"
import postgres from "postgres"
import type { Base } from "../Base.ts"
import type { Contestant } from "../Contestant.ts"
import type { Ground } from "../Ground.ts"
import { gate, migrated } from "./Gate.ts"

/** Rows of keys in the words of the gate, at random places of the indexes; a million a statement, so that one can watch. */
const FILL = (from: number, to: number) => `
WITH keys AS (
  SELECT n, upper(md5('bench ' || n)) AS id, now() - (n % 34560000) * interval '1 s' AS at FROM generate_series(${from}, ${to}) n
), d AS (
  INSERT INTO webhook_dedup_events (provider, dedup_key, first_seen_at, last_seen_at, status, request_hash, changed_at, event_type)
  SELECT 'paypal', 'ev_WH-' || left(id, 17) || '-' || right(id, 15) || 'XX', at, at, 'done', md5(id) || md5(id || n), at,
         'PAYMENT.CAPTURE.COMPLETED' FROM keys
), t AS (
  INSERT INTO webhook_transmissions (provider, transmission_id, crc32, request_hash, seen_at)
  SELECT 'paypal', md5('t' || id)::uuid::text, n, md5(id) || md5(id || n), at FROM keys
)
INSERT INTO billing_effects (provider, effect_key, dedup_key, digest, recorded_at)
SELECT 'paypal', 'capture:' || left(md5('e' || id), 17) || ':completed', 'ev_WH-' || left(id, 17) || '-' || right(id, 15) || 'XX',
       md5(id) || md5(n::text), at FROM keys`

/** What was filled in has no log, so the audit could not prove it: only what the gate added stays. */
const clear = async ({ sql }: Base) => {
  await sql.unsafe(`
    CREATE TEMP TABLE kept_events AS SELECT * FROM webhook_dedup_events WHERE version > 0;
    CREATE TEMP TABLE kept_effects AS SELECT e.* FROM billing_effects e JOIN kept_events USING (provider, dedup_key);
    TRUNCATE webhook_dedup_events, billing_effects;
    INSERT INTO webhook_dedup_events SELECT * FROM kept_events;
    INSERT INTO billing_effects SELECT * FROM kept_effects`)
}

const STEP = 1_000_000

/** A database with so many keys, made once and kept for later runs. */
const template = async (ground: Ground, keys: number) => {
  const name = `bench_keys_${keys}`
  const sql = postgres(ground.databaseUrl, { max: 1, onnotice: () => {} })
  const [found] = await sql`SELECT FROM pg_database WHERE datname = ${name}`
  if (found === undefined) {
    const draft = `${name}_draft`
    await sql.unsafe(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`)
    await sql.unsafe(`CREATE DATABASE ${draft}`)
    const url = new URL(ground.databaseUrl)
    url.pathname = `/${draft}`
    await Effect.runPromise(migrated(url.href))
    const inner = postgres(url.href, { max: 1, onnotice: () => {} })
    for (let from = 1; from <= keys; from += STEP) {
      const to = Math.min(keys, from + STEP - 1)
      await inner.unsafe(FILL(from, to))
      ground.say(`${to} of ${keys} keys filled in, once`)
    }
    await inner.unsafe("VACUUM ANALYZE")
    await inner.end()
    await sql.unsafe(`ALTER DATABASE ${draft} RENAME TO ${name}`)
  }
  await sql.end()
  return name
}

/** A gate on a database that knows `keys` keys: events, transmissions and effects. The log is partitioned and stays empty. */
export const loaded = (keys: number): Contestant => ({
  name: `gate with ${keys} keys`,
  start: Effect.fnUntraced(function* (ground, prefix) {
    const name = yield* Effect.promise(() => template(ground, keys))
    return yield* gate({ name: "gate", template: { name, clear } }).start(ground, prefix)
  })
})
