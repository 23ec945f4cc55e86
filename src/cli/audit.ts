import { Clock, Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { Finding } from "../domain/Difference.ts"
import { runAudit } from "../infra/audit/runAudit.ts"
import * as AuditProgress from "./AuditProgress.ts"
import { findingText, summaryText } from "./auditText.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag } from "./DevService.ts"
import { databaseUrlOf, knownEndpoint } from "./EventsOf.ts"
import { json, ofEndpoint } from "./eventFlags.ts"
import { kafkaOf } from "./KafkaOf.ts"
import { database, unreachable } from "./Service.ts"

/** `oncegate audit` */
export const audit = Command.make(
  "audit",
  {
    endpoint: ofEndpoint,
    rebuild: Flag.Boolean("rebuild").pipe(
      Flag.withDefault(false),
      Flag.withDescription("also write webhook_dedup_events_rebuilt from the log alone, and compare it")
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
      Flag.withDefault(1_000),
      Flag.withDescription("differences that are named at most; the rest is counted (default 1000)")
    ),
    json,
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* ({ dataDir, endpoint, json, limit, rebuild }) {
    const found = yield* databaseUrlOf(dataDir)
    yield* knownEndpoint(dataDir, endpoint)
    const kafka = yield* kafkaOf(dataDir, found.from)
    const findings: Array<Finding> = []
    const startedMs = yield* Clock.currentTimeMillis
    const summary = yield* Effect.scoped(
      Effect.gen(function* () {
        const progress = yield* AuditProgress.make
        return yield* runAudit({
          endpoint: Option.getOrNull(endpoint),
          kafka,
          rebuild,
          limit,
          nowMs: startedMs,
          onRows: progress.onRows,
          onFinding: (finding) =>
            json
              ? Effect.sync(() => void findings.push(finding))
              : Effect.andThen(Effect.sync(progress.clear), Console.log(findingText(finding)))
        })
      })
    ).pipe(
      Effect.provide(database({ databaseUrl: found.url })),
      Effect.catchTags({
        DatabaseError: (error) =>
          Effect.fail(
            /^(42P01|42703)$/.test(error.code)
              ? new CommandFailed({ message: "the database lacks migrations: run `oncegate migrate`" })
              : error.statement.startsWith("audit")
                ? new CommandFailed({ message: `the audit broke off: ${error.message}` })
                : unreachable(error)
          ),
        KafkaFailed: ({ code, operation }) =>
          Effect.fail(
            new CommandFailed({ message: `the audit broke off: ${operation}: ${code}; run it again` })
          )
      })
    )
    const seconds = ((yield* Clock.currentTimeMillis) - startedMs) / 1000
    yield* Console.log(
      json ? JSON.stringify({ ...summary, seconds, findings }) : summaryText(summary, seconds)
    )
    if (summary.differences > 0)
      return yield* new CommandFailed({ message: `the audit found ${summary.differences} differences` })
  })
).pipe(
  Command.withDescription(
    "Folds the log of every event and compares it with the tables, and with the topics where Kafka is reachable. Reads " +
      "one snapshot while the gate works on. Names every difference by endpoint and key; exit code 1 on any."
  ),
  Command.withShortDescription("Does everything follow from the log?"),
  Command.withExamples([
    { command: "oncegate audit", description: "of DATABASE_URL and KAFKA_BROKERS, else of `npm start`" },
    { command: "oncegate audit --rebuild --endpoint toss", description: "the table, made anew from the log" }
  ])
)
