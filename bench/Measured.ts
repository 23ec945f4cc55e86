import type { LoadResult } from "./load/LoadPlan.ts"

/** What one cell gave in one round. Times in milliseconds unless the name says otherwise. */
export interface Measured {
  readonly round: number
  /** Right in every respect: else the figures count for nothing. */
  readonly isRight: boolean
  /** Why not; and what else there is to say. */
  readonly remarks: ReadonlyArray<string>
  readonly rate?: number
  readonly measured?: number
  readonly latency?: LoadResult["latency"]
  readonly answers?: LoadResult["answers"]
  readonly perSecond?: ReadonlyArray<number>
  /** CPU seconds by part in the measured time, and how long that was. */
  readonly cpu?: Readonly<Record<string, number>>
  readonly seconds?: number
  readonly walBytes?: number
  readonly walRecords?: number
  readonly fullPages?: number
  readonly commits?: number
  readonly readyMs?: number
  readonly memoryMb?: { readonly most: number; readonly last: number; readonly series: ReadonlyArray<number> }
  /** From the end of the load until all records were seen. */
  readonly settleSeconds?: number
  /** Records of facts a second while a backlog was published. */
  readonly drainRate?: number
  readonly records?: number
  readonly lost?: number
  readonly doubled?: number
  readonly unknown?: number
  readonly cut?: number
  readonly outage?: Outage
  readonly visible?: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly sizes?: ReadonlyArray<{
    readonly name: string
    readonly table_bytes: number
    readonly index_bytes: number
  }>
  /** Statements of Postgres: what they cost, the dearest first. */
  readonly statements?: ReadonlyArray<Statement>
}

/** Answers in one part of an outage. Milliseconds, and MB at the most. */
export interface Phase {
  readonly name: string
  readonly seconds: number
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly memoryMb: number
  /** Sessions of the gate in Postgres, at most. */
  readonly sessions: number
  /** Beside the one of each webhook. */
  readonly logLinesPerMinute: number
}

/** What a time without Kafka did to the gate, and how it ended. Seconds are from when Kafka was back. */
export interface Outage {
  readonly awaySeconds: number
  readonly phases: ReadonlyArray<Phase>
  /** Records that waited when Kafka was back. */
  readonly backlog: number
  readonly firstBatchSeconds: number
  readonly drainedSeconds: number
  /** From the first transaction to the one that held the last of the backlog. */
  readonly recordsPerSecond: number
  /** From then on, of each second, 99 of 100 facts were read within a second of their commit. */
  readonly visibleSeconds: number
  /** Of what was read after that. Milliseconds. */
  readonly visible: { readonly p50: number; readonly p99: number }
}

export interface Statement {
  readonly text: string
  readonly calls: number
  readonly totalMs: number
  readonly meanMs: number
  readonly rows: number
  readonly walBytes: number
}
