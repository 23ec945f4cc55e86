import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import postgres from "postgres"
import type { Ground } from "./Ground.ts"

/** A database of one contestant's own, for one round. */
export interface Base {
  readonly url: string
  readonly sql: postgres.Sql
}

const admin = (ground: Ground) => postgres(ground.databaseUrl, { max: 1, onnotice: () => {} })

/**
 * Made empty, or as a copy of `template`; dropped with the scope. Before and after, a checkpoint: nobody pays for the
 * pages of the one before.
 */
export const fresh = (ground: Ground, template?: string) =>
  Effect.acquireRelease(
    Effect.promise(async (): Promise<Base & { readonly name: string }> => {
      const name = `bench_${randomBytes(5).toString("hex")}`
      const sql = admin(ground)
      await sql.unsafe(
        `CREATE DATABASE ${name}${template === undefined ? "" : ` TEMPLATE ${template} STRATEGY file_copy`}`
      )
      await sql.unsafe("CHECKPOINT")
      await sql.end()
      const url = new URL(ground.databaseUrl)
      url.pathname = `/${name}`
      return { name, url: url.href, sql: postgres(url.href, { max: 2, onnotice: () => {} }) }
    }),
    ({ name, sql }) =>
      Effect.promise(async () => {
        await sql.end({ timeout: 2 })
        const other = admin(ground)
        await other.unsafe(`DROP DATABASE ${name} WITH (FORCE)`)
        await other.end()
      })
  )

/** Drops what runs that were killed left behind. */
export const sweep = async (ground: Ground) => {
  const sql = admin(ground)
  const left = await sql<Array<{ datname: string }>>`
    SELECT datname FROM pg_database WHERE datname ~ '^bench_[0-9a-f]{10}$'`
  for (const { datname } of left) await sql.unsafe(`DROP DATABASE ${datname} WITH (FORCE)`)
  await sql.end()
}

/** Counters of the server, to be subtracted from later ones. */
export interface Counters {
  readonly walBytes: number
  readonly walRecords: number
  /** Pages written whole to the WAL because a checkpoint came before. */
  readonly fullPages: number
  readonly commits: number
}

export const counters = async ({ sql }: Base): Promise<Counters> => {
  const [row] = await sql<Array<{ wal: string; records: string; fpi: string; commits: string }>>`
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text AS wal,
           (SELECT wal_records FROM pg_stat_wal)::text AS records, (SELECT wal_fpi FROM pg_stat_wal)::text AS fpi,
           (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())::text AS commits`
  return {
    walBytes: Number(row!.wal),
    walRecords: Number(row!.records),
    fullPages: Number(row!.fpi),
    commits: Number(row!.commits)
  }
}

/** Bytes of each table and of its indexes, the largest first. */
export const sizes = ({ sql }: Base) =>
  sql<Array<{ name: string; table_bytes: number; index_bytes: number }>>`
    SELECT relname AS name, pg_table_size(oid)::float8 AS table_bytes, pg_indexes_size(oid)::float8 AS index_bytes
      FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
     ORDER BY pg_total_relation_size(oid) DESC`

/** What the server runs with, as far as speed depends on it. */
export const settingsOf = async (ground: Ground) => {
  const sql = admin(ground)
  const rows = await sql<Array<{ name: string; setting: string }>>`
    SELECT name, current_setting(name) AS setting FROM pg_settings
     WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size',
                    'wal_compression', 'max_connections', 'wal_level') ORDER BY name`
  await sql.end()
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
}
