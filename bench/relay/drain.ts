import { book, RECORDS_PER_EVENT } from "./book.ts"
import { type Published, published } from "./published.ts"
import { openWorld, pause, type Services, usage } from "./World.ts"

const COMMIT_EVENTS = 200

export interface Drain {
  readonly records: number
  readonly seconds: number
  readonly perSecond: number
  /** The same in each tenth of the backlog: a cost that grows faster than the backlog shows here. */
  readonly tenths: ReadonlyArray<number>
  readonly batches: number
  /** Of the relay with its start, of its session in Postgres, and of the broker; NaN where that cannot be seen. */
  readonly cpuSeconds: { readonly relay: number; readonly postgres: number; readonly kafka: number }
  /** Microseconds of the relay's CPU, its start included. */
  readonly relayCpuPerRecord: number
  readonly relayMemoryMb: number
  /** Records that it said it had published, every five seconds: what `relay status` shows. */
  readonly reported: ReadonlyArray<number>
  /** Where it was asked for. */
  readonly published?: Published
}

/** Writes a backlog, starts a relay of the checkout `root` on it, and says how fast it went away. */
export const drain = async (
  services: Services,
  root: string,
  options: { readonly events: number; readonly check?: boolean; readonly flags?: ReadonlyArray<string> }
): Promise<Drain> => {
  const world = await openWorld(services)
  try {
    const { sql } = world
    for (let at = 0; at < options.events; at += COMMIT_EVENTS * 10) {
      const commits = Math.min(10, Math.ceil((options.events - at) / COMMIT_EVENTS))
      await Promise.all(
        Array.from({ length: commits }, (_, n) => {
          const from = at + n * COMMIT_EVENTS
          return book(sql, from, Math.min(COMMIT_EVENTS, options.events - from))
        })
      )
    }
    await sql`VACUUM ANALYZE webhook_event_log`
    const [{ head }] = await sql<[{ head: string }]>`SELECT max(position) AS head FROM webhook_event_log`
    const kafkaBefore = services.kafkaCpu()
    const relay = world.relay(root, options.flags)
    let peak = 0
    const seen: Array<{ atMs: number; position: number }> = []
    const reported: Array<number> = []
    while (true) {
      await pause(50)
      if (relay.child.exitCode !== null) throw new Error("the relay ended")
      // Committed in Kafka: confirmed, or followed by another batch. Times are the database's.
      const rows = await sql<Array<{ batch: string; position: string; at_ms: number }>>`
        SELECT batch, position, extract(epoch FROM created_at)::float8 * 1000 AS at_ms FROM relay_checkpoint
         WHERE batch > ${seen.length} ORDER BY batch`
      for (const row of rows) seen.push({ atMs: row.at_ms, position: Number(row.position) })
      const [report] = await sql<
        Array<{ records: number }>
      >`SELECT records::int AS records FROM relay_reports`
      if (report !== undefined && report.records > (reported.at(-1) ?? 0)) reported.push(report.records)
      peak = Math.max(peak, usage(relay.child.pid!).memoryMb)
      const [last] = await sql<Array<{ ms: number; position: string }>>`
        SELECT extract(epoch FROM confirmed_at)::float8 * 1000 AS ms, position FROM relay_checkpoint
         WHERE confirmed_at IS NOT NULL AND batch > 0 ORDER BY batch DESC LIMIT 1`
      if (last !== undefined && Number(last.position) >= Number(head)) {
        seen.push({ atMs: last.ms, position: Number(head) })
        break
      }
    }
    const [session] = await sql<Array<{ pid: number }>>`
      SELECT pid FROM pg_stat_activity WHERE application_name = 'oncegate relay' ORDER BY backend_start DESC LIMIT 1`
    const cpuSeconds = {
      relay: usage(relay.child.pid!).cpuSeconds,
      postgres: usage(session?.pid ?? -1).cpuSeconds,
      kafka: Number((services.kafkaCpu() - kafkaBefore).toFixed(2))
    }
    await relay.stop()
    const records = options.events * RECORDS_PER_EVENT
    const found = options.check === true ? { published: await published(world, records) } : {}
    const begin = seen[0]!.atMs
    const seconds = (seen.at(-1)!.atMs - begin) / 1000
    // A batch's row is written when the one before it is committed.
    const reached = (share: number) =>
      seen[Math.min(seen.length - 1, 1 + seen.findIndex(({ position }) => position >= Number(head) * share))]!
        .atMs
    const tenths = Array.from({ length: 10 }, (_, tenth) => {
      const ms = reached((tenth + 1) / 10) - (tenth === 0 ? begin : reached(tenth / 10))
      return Math.round(records / 10 / (ms / 1000))
    })
    return {
      records,
      seconds: Number(seconds.toFixed(2)),
      perSecond: Math.round(records / seconds),
      tenths,
      batches: seen.length - 1,
      cpuSeconds,
      relayCpuPerRecord: Math.round((cpuSeconds.relay * 1e6) / records),
      relayMemoryMb: peak,
      reported,
      ...found
    }
  } finally {
    await world.close()
  }
}
