import path from "node:path"
import { Effect } from "effect"
import type { FailpointName } from "../../src/domain/Failpoint.ts"
import { simulate } from "../e2e/play.ts"
import { follow, foretold, sorted } from "../e2e/topics.ts"
import { LOG, type LogRow, unmodelled } from "../spec/transitions.ts"
import { environmentOf, migratedSchema, type ProvidersUnderTest, until } from "../support/Gate.ts"
import { setFaults } from "../support/House.ts"
import { command, ended, type Serving, serve } from "../support/ServeProcess.ts"
import { freshPrefix, kafkaBrokers } from "../support/Services.ts"

export type Action = "kill" | "throw" | "delay" | "stop"

/** What one fault did to one run. */
export interface Struck {
  readonly failpoint: FailpointName
  readonly action: Action
  readonly hasStruck: boolean
  readonly acked: number
  readonly facts: number
  readonly lost: ReadonlyArray<string>
  readonly doubled: number
  /** Facts that no provider told of, and changes of state that the checked model does not have. */
  readonly invented: ReadonlyArray<string>
  readonly open: number
  /** What `oncegate audit` said at the end. */
  readonly audit: "clean" | "differs"
  readonly seconds: number
}

const LEASE_MS = 1_000
const PAST_THE_LEASE_MS = 2_500

/** Passed once or now and then: struck the first time. A look for work is passed all the time, also before the start. */
const RARE: ReadonlySet<FailpointName> = new Set([
  "fail.before",
  "fail.after",
  "renew.before",
  "take.after",
  "relay.fenced"
])

const hitOf = (failpoint: FailpointName) => (failpoint === "take.before" ? 60 : RARE.has(failpoint) ? 1 : 3)

const actionText = (action: Action) => (action === "delay" ? `delay-${PAST_THE_LEASE_MS}` : action)

/**
 * One run with one failpoint armed in the gate that takes the webhooks; a second gate stands beside it and takes none.
 * Toss's API is slower than a heartbeat and fails now and then, so that every step is passed. A killed gate is started
 * again; a stopped one goes on after its lease.
 */
export const strike = Effect.fnUntraced(function* (
  providers: ProvidersUnderTest,
  failpoint: FailpointName,
  action: Action
) {
  const begun = performance.now()
  const brokers = yield* Effect.promise(kafkaBrokers)
  const prefix = freshPrefix()
  const { sql, url: databaseUrl } = yield* migratedSchema
  const environment = {
    ...environmentOf(providers, databaseUrl),
    KAFKA_BROKERS: brokers.join(","),
    KAFKA_TOPIC_PREFIX: prefix,
    LEASE_MS: String(LEASE_MS),
    BACKOFF_BASE_MS: "100",
    BACKOFF_MAX_MS: "1000",
    LOG_LEVEL: "info",
    LOG_FORMAT: "json",
    ADMIN_PORT: "0"
  }
  const entry = path.join("test", "faults", "serve.ts")
  const armed = {
    ...environment,
    FAILPOINT: `${failpoint}:${actionText(action)}:${hitOf(failpoint)}`
  }
  let gate = yield* Effect.promise(() => serve(armed, entry))
  const first = gate
  // Where the taking of due events is struck, the other gate must not take them all.
  const flags = failpoint.startsWith("take.") ? ["--without", "rescuer"] : []
  const survivor = yield* Effect.promise(() => serve(environment, undefined, flags))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { child } of [gate, first, survivor]) child.kill("SIGKILL")
    })
  )
  const restart = async (dead: Serving) => {
    await ended(dead.child)
    gate = await serve({ ...environment, PORT: new URL(dead.url).port })
  }
  const restarted = action === "kill" ? restart(first).catch(() => {}) : Promise.resolve()
  if (action === "stop") {
    const wake = setInterval(() => {
      if (!first.output().includes("FAILPOINT ")) return
      clearInterval(wake)
      setTimeout(() => first.child.kill("SIGCONT"), PAST_THE_LEASE_MS)
    }, 50)
    yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(wake)))
  }

  // These steps are passed only when an attempt fails, so none may be left to chance.
  const share = /^(fail|take)\./.test(failpoint) ? 1 : 0.3
  yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 450, status: 503, share })
  const { expected, told } = yield* simulate(providers, sql, () => gate.url, {
    events: 30,
    copies: 2,
    retryMs: 20_000
  })
  yield* setFaults(providers.client.origin, {})
  const hasStruck = yield* until(async () => first.output().includes("FAILPOINT ")).pipe(
    Effect.as(true),
    Effect.timeoutOrElse({ duration: 5_000, orElse: () => Effect.succeed(false) })
  )
  if (hasStruck) yield* Effect.promise(() => restarted)

  const openRows = async () => {
    const [row] = await sql<Array<{ open: number }>>`
      SELECT count(*)::int AS open FROM webhook_dedup_events WHERE status <> 'done' AND next_attempt_at IS DISTINCT FROM 'infinity'`
    return row!.open
  }
  yield* until(async () => (await openRows()) === 0).pipe(Effect.timeoutOption(30_000))
  const [booked] = yield* Effect.promise(
    () => sql<Array<{ count: number }>>`SELECT count(*)::int AS count FROM billing_effects`
  )
  const facts = yield* follow(brokers, `${prefix}billing.events.v1`)
  yield* until(async () => facts.length >= booked!.count).pipe(Effect.timeoutOption(30_000))

  const log = yield* Effect.promise(() => sql.unsafe<Array<LogRow>>(LOG))
  const audit = yield* Effect.promise(() => command(["audit"], environment))
  if (audit.code !== 0) yield* Effect.logError(audit.output)

  const got = sorted(facts.map(foretold))
  const must = sorted(expected.facts)
  const may = new Set([...must, ...sorted(expected.unanswered.facts)])
  return {
    failpoint,
    action,
    hasStruck,
    acked: told.filter(({ received }) => received.some(({ httpStatus }) => httpStatus === 200)).length,
    facts: facts.length,
    lost: must.filter((fact) => !got.includes(fact)),
    doubled: facts.length - new Set(facts.map(({ headers }) => headers.ce_id)).size,
    invented: [...got.filter((fact) => !may.has(fact)), ...unmodelled(log)],
    open: yield* Effect.promise(openRows),
    audit: audit.code === 0 ? "clean" : "differs",
    seconds: (performance.now() - begun) / 1_000
  } satisfies Struck
})
