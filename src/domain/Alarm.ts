import { Effect, Metric } from "effect"

const alarms = Metric.counter("oncegate_alarms_total", {
  description: "Alarms raised, by code: each wants a person's eye.",
  incremental: true
})

/** One step of `oncegate_alarms_total{code}` and one error line `event=ALARM code=..`; ids and codes only. */
export const alarm = (
  code: string,
  message: string,
  annotations: Readonly<Record<string, string | number>> = {}
) =>
  Metric.update(Metric.withAttributes(alarms, { code }), 1).pipe(
    Effect.andThen(Effect.logError(message)),
    Effect.annotateLogs({ ...annotations, event: "ALARM", code })
  )
