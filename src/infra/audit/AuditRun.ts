import { Effect } from "effect"
import type { Finding } from "../../domain/Difference.ts"

/** What is being read now, for whoever watches. */
export type Phase = "events" | "bodies" | "effects" | "records" | "rebuilt"

/** What an audit reports to. */
export interface AuditRun {
  /** Null: all of them. */
  readonly endpoint: string | null
  readonly onFinding: (finding: Finding) => Effect.Effect<void>
  readonly onRows: (phase: Phase, rows: number) => void
}

export const report = (run: AuditRun, findings: ReadonlyArray<Finding>) =>
  Effect.forEach(findings, run.onFinding, { discard: true })
