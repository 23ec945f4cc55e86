import { Effect } from "effect"
import type { Kind } from "../../domain/Audit.ts"
import type { DifferenceCode, Finding } from "../../domain/Difference.ts"
import type { KafkaOptions } from "../kafka/KafkaClient.ts"
import type { AuditRun, Phase } from "./AuditRun.ts"
import { strayBodies } from "./bodies.ts"
import { compareEffects } from "./effects.ts"
import { foldKeys } from "./foldKeys.ts"
import { readReach } from "./Horizon.ts"
import { look, type NotCompared } from "./Published.ts"
import * as Rebuilt from "./Rebuilt.ts"
import { compareRecords } from "./records.ts"
import { open } from "./Snapshot.ts"

export interface AuditOptions {
  readonly endpoint: string | null
  /** Null: the topics are not compared. */
  readonly kafka: (Omit<KafkaOptions, "clientId"> & { readonly topicPrefix: string }) | null
  /** Writes `webhook_dedup_events_rebuilt` and compares it too. */
  readonly rebuild: boolean
  /** Differences that are named; past it they are only counted, and what would need another reading is not looked into. */
  readonly limit: number
  readonly nowMs: number
  readonly onFinding: (finding: Finding) => Effect.Effect<void>
  readonly onRows: (phase: Phase, rows: number) => void
}

export interface AuditSummary {
  readonly events: Readonly<Record<Kind, number>>
  readonly logRows: number
  readonly facts: number
  /** Records of the log that its topics had to have, or why nobody looked. */
  readonly records: { readonly events: number; readonly outcomes: number } | NotCompared | null
  readonly rebuilt: number | null
  readonly differences: number
  readonly byCode: Readonly<Partial<Record<DifferenceCode, number>>>
}

/** One audit of everything, over one snapshot; the gate works on meanwhile. */
export const runAudit = (options: AuditOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const byCode: Partial<Record<DifferenceCode, number>> = {}
      let differences = 0
      const enough = () => differences >= options.limit
      const run: AuditRun = {
        endpoint: options.endpoint,
        onRows: options.onRows,
        onFinding: (finding) =>
          Effect.suspend(() => {
            byCode[finding.code] = (byCode[finding.code] ?? 0) + 1
            differences += 1
            return differences <= options.limit ? options.onFinding(finding) : Effect.void
          })
      }

      const published = options.kafka === null ? null : yield* look(options.kafka, options.nowMs)
      const snapshot = yield* open(options.rebuild ? "READ WRITE" : "READ ONLY")
      const reach = yield* readReach(snapshot.connection)
      if (options.rebuild) yield* Rebuilt.create(snapshot)
      const folded = yield* foldKeys(
        snapshot,
        run,
        reach,
        options.rebuild ? Rebuilt.append(snapshot) : undefined
      )
      yield* strayBodies(snapshot, run)
      const effects = yield* compareEffects(snapshot, run, reach, enough)
      const records =
        published === null || published.reason !== undefined
          ? published
          : {
              events: (yield* compareRecords(snapshot, run, published, reach, "events", enough)).compared,
              outcomes: (yield* compareRecords(snapshot, run, published, reach, "outcomes", enough)).compared
            }
      const rebuilt = options.rebuild ? yield* Rebuilt.compare(snapshot, run, reach) : null
      if (options.rebuild) yield* snapshot.connection.script("audit rebuild", "COMMIT")
      return {
        events: folded.kinds,
        logRows: folded.logRows,
        facts: effects.compared,
        records,
        rebuilt,
        differences,
        byCode
      } satisfies AuditSummary
    })
  )
