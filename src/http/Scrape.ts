import { Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Events } from "../domain/Events.ts"
import type { GateStatus } from "../domain/GateStatus.ts"

const open = Metric.gauge("oncegate_events", {
  description: "Events that are not done, by endpoint and state"
})
const oldest = Metric.gauge("oncegate_oldest_open_seconds", {
  description: "Age of the oldest event that is not done, by endpoint; 0 where all are"
})
const unpublished = Metric.gauge("oncegate_log_unpublished_rows", {
  description: "Rows of the log that are not in Kafka yet; an upper bound when many"
})
const unpublishedAge = Metric.gauge("oncegate_log_unpublished_seconds", {
  description:
    "Age of the oldest row of the log that is not in Kafka yet; 0 where all are. Rises while the relay stands still"
})
const up = Metric.gauge("oncegate_store_up", {
  description:
    "1 where the gauges of this scrape could be read from the database; else they are of an earlier one"
})

const STATES = ["processing", "retry_scheduled", "unconfirmed", "parked", "conflict", "quarantined"] as const

const gauge = Effect.fnUntraced(function* ({ endpoints, relay }: GateStatus) {
  for (const row of endpoints) {
    const { endpoint } = row
    for (const state of STATES)
      yield* Metric.update(Metric.withAttributes(open, { endpoint, state }), row[state])
    yield* Metric.update(Metric.withAttributes(oldest, { endpoint }), row.oldest_open_seconds ?? 0)
  }
  yield* Metric.update(unpublished, relay.unpublished)
  yield* Metric.update(unpublishedAge, relay.oldest_unpublished_seconds ?? 0)
  yield* Metric.update(up, 1)
})

/** Everything that Prometheus wants to know. Gauges are read anew at a scrape, at most once a second. */
export const make = Effect.gen(function* () {
  const events = yield* Events
  const refresh = yield* events.status.pipe(
    Effect.flatMap(gauge),
    Effect.catchTag("StoreUnavailable", () => Metric.update(up, 0)),
    Effect.cachedWithTTL("1 second")
  )
  return Effect.andThen(refresh, PrometheusMetrics.format())
})
