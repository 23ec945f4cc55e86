import { Effect, Metric } from "effect"

const published = Metric.counter("oncegate_relay_published_total", {
  description: "Records published to Kafka, by topic",
  incremental: true
})
const lagRows = Metric.gauge("oncegate_relay_lag_rows", {
  description: "Rows of the log not yet copied, wanted by a topic or not; an upper bound when many"
})
const lagSeconds = Metric.gauge("oncegate_relay_lag_seconds", {
  description: "Age of the oldest row at its publication; 0 when nothing waits"
})

export const countPublished = (topic: string, records: number) =>
  records === 0 ? Effect.void : Metric.update(Metric.withAttributes(published, { topic }), records)

export const gaugeLag = (rows: number, seconds: number) =>
  Effect.andThen(Metric.update(lagRows, rows), Metric.update(lagSeconds, seconds))
