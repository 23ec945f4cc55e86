import { type Effect, Schema, type Scope } from "effect"
import type { Base } from "./Base.ts"
import type { Ground } from "./Ground.ts"
import type { IdOf } from "./Ledger.ts"
import type { LoadPlan } from "./load/LoadPlan.ts"
import type { Prepared } from "./prepare/Prepared.ts"

/** A contestant that cannot be had here; the message says why in plain words. */
export class Absent extends Schema.TaggedError<Absent>()("Absent", { message: Schema.String }) {}

/** What a contestant found out about itself at the end: clean or not, and its words. */
export interface OwnVerdict {
  readonly isClean: boolean
  readonly text: string
}

/** A service under test, ready to take deliveries over HTTP. */
export interface Running {
  readonly base: Base
  /** How it is spoken to. */
  readonly speak: Pick<LoadPlan, "urls" | "paths" | "headers">
  /** Its processes, without Postgres and Kafka. */
  readonly pids: () => ReadonlyArray<number>
  /** From the start of the process until it took deliveries. Milliseconds. */
  readonly readyMs: number
  readonly topic: string
  /** The file that its first process says everything to. */
  readonly log?: string
  readonly idOf: IdOf
  /** Which name a delivery has among the ids of the topic. */
  readonly nameOf: (delivery: Prepared) => string
  /** Kills all of it with -9 and starts it again 200 ms later; resolves when it takes deliveries. */
  readonly strike: () => Promise<void>
  /** Called when the load is over, before records are counted: whatever still stands between an answer and its record. */
  readonly publish?: () => Promise<void>
  /** Called when all was counted. */
  readonly examine?: () => Promise<OwnVerdict>
}

export interface Contestant {
  readonly name: string
  readonly start: (ground: Ground, prefix: string) => Effect.Effect<Running, Absent, Scope.Scope>
}
