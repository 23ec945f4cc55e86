import { table } from "../../src/cli/Table.ts"
import type { Outage } from "../Measured.ts"

const number = (value: number) => Math.round(value).toLocaleString("en")

/** The answers before, while and after Kafka was away, each against before; then how it came back. */
export const outageText = (outage: Outage) => {
  const [first] = outage.phases
  return [
    "",
    table([
      [
        "",
        "for s",
        "answers/s",
        "ratio",
        "p50 ms",
        "ratio",
        "p99 ms",
        "ratio",
        "MB",
        "sessions",
        "other log lines/min"
      ],
      ...outage.phases.map((phase) => [
        phase.name,
        phase.seconds.toFixed(0),
        phase.rate.toFixed(0),
        (phase.rate / first!.rate).toFixed(2),
        phase.p50.toFixed(1),
        (phase.p50 / first!.p50).toFixed(2),
        phase.p99.toFixed(1),
        (phase.p99 / first!.p99).toFixed(2),
        number(phase.memoryMb),
        phase.sessions,
        phase.logLinesPerMinute.toFixed(1)
      ])
    ]),
    `  ${number(outage.backlog)} records waited after ${outage.awaySeconds.toFixed(0)} s; the first went out ${outage.firstBatchSeconds.toFixed(1)} s after Kafka was back, all of them after ${outage.drainedSeconds.toFixed(1)} s: ${number(outage.recordsPerSecond)} records a second`,
    `  from commit to visible under a second again after ${outage.visibleSeconds.toFixed(1)} s; from then on p50 ${number(outage.visible.p50)} ms, p99 ${number(outage.visible.p99)} ms`
  ].join("\n")
}
