import { Clock, Context, Effect, Metric, References } from "effect"

const alarms = Metric.counter("oncegate_alarms_total", {
  description: "Alarms raised, by code: each wants a person's eye.",
  incremental: true
})

/** When the last line of an alarm was written, and how many were held back since. */
export type AlarmLines = Map<string, { writtenMs: number; held: number }>

/** Between two lines of the same alarm. */
const QUIET_MS = 60_000

/**
 * What is known of the lines of a process: give it a map, and an alarm of the same code and provider writes at most one
 * line a minute. Without one every alarm is written.
 */
export const AlarmLines = Context.Reference<AlarmLines | null>("oncegate/domain/AlarmLines", {
  defaultValue: () => null
})

/** How many were held back since the last line, or undefined where this one is to be held back too. */
const heldBack = Effect.fnUntraced(function* (name: string) {
  const lines = yield* AlarmLines
  if (lines === null) return 0
  const now = yield* Clock.currentTimeMillis
  const line = lines.get(name)
  // A clock set back must not silence an alarm for longer.
  if (line !== undefined && now >= line.writtenMs && now - line.writtenMs < QUIET_MS) {
    line.held += 1
    return undefined
  }
  lines.set(name, { writtenMs: now, held: 0 })
  return line?.held ?? 0
})

/**
 * One step of `oncegate_alarms_total{code}` and one error line `event=ALARM code=..`; ids and codes only. A storm of the
 * same alarm is one line a minute, which says how many it speaks for; the counter counts each.
 */
export const alarm = Effect.fnUntraced(function* (
  code: string,
  message: string,
  annotations: Readonly<Record<string, string | number>> = {}
) {
  yield* Metric.update(Metric.withAttributes(alarms, { code }), 1)
  const around = yield* References.CurrentLogAnnotations
  const held = yield* heldBack(`${code}\n${String(annotations.provider ?? around.provider ?? "")}`)
  if (held === undefined) return
  yield* Effect.logError(message).pipe(
    Effect.annotateLogs({ ...annotations, ...(held === 0 ? {} : { held_back: held }), event: "ALARM", code })
  )
})
