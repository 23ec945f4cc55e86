// The proof: the ledger's sums equal what the simulator foretold, whatever is killed meanwhile. Starts Postgres, Kafka, a
// simulator, a gate, a relay and the ledger in a temporary folder, and ends all of it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Effect, Redacted, References } from "effect"
import postgres from "postgres"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"
import * as KeptKafka from "../../src/infra/embedded/KeptKafka.ts"
import { gateEnvironment } from "../../src/infra/simulator/gateEnvironment.ts"
import * as SimulatorServer from "../../src/infra/simulator/SimulatorServer.ts"
import { balanceTable, readBalances } from "./balances.ts"
import { compareSums, type Expectation } from "./expectedSums.ts"

const HELP = `Usage: npm run ledger:prove -- [--events 300] [--kills 3] [--seed S] [--limit 300]

Plays payment providers against a gate while ledger, relay and broker are killed with -9 in turn, then compares the
ledger's sums with what the simulator foretold. Exit code 1 where they differ.

  --events N   events of the simulated providers, each delivered twice (default 300)
  --kills N    kills of each of the three (default 3)
  --seed S     repeats the events of a run
  --limit S    gives up after so many seconds (default 300)`

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "300" },
    kills: { type: "string", default: "3" },
    seed: { type: "string" },
    limit: { type: "string", default: "300" },
    help: { type: "boolean", default: false }
  }
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const [events, kills, limit] = [values.events, values.kills, values.limit].map(Number)
if (![events, kills, limit].every((number) => Number.isInteger(number) && number! >= 0) || events === 0) {
  console.error(HELP)
  process.exit(2)
}

const COPIES = 2
const SECONDS_A_KILL = 9

const root = fileURLToPath(new URL("../..", import.meta.url))
const runtime = [...("Deno" in globalThis ? ["run", "-A"] : []), "--conditions=oncegate-source"]
const say = (text: string) => Effect.sync(() => console.log(text))

/** What ended without being killed: no proof then. */
const faults: Array<string> = []

/** A process of ours, started again when it was killed; stopped with the scope. */
const keep = (name: string, args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) => {
  let isOver = false
  let child: ChildProcess | undefined
  let output = ""
  const up = () => {
    child = spawn(process.execPath, [...runtime, ...args], {
      cwd: root,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (chunk) => {
        output = (output + chunk).slice(-20_000)
      })
    child.once("exit", (code) => {
      if (isOver) return
      if (code !== null) faults.push(`${name} ended by itself (${code}): ${output.slice(-1_000)}`)
      else setTimeout(() => isOver || up(), 200)
    })
  }
  return Effect.acquireRelease(
    Effect.sync(() => {
      up()
      return {
        kill: () => void child?.kill("SIGKILL"),
        output: () => output
      }
    }),
    () =>
      Effect.callback<void>((resume) => {
        isOver = true
        if (child === undefined || child.exitCode !== null || child.signalCode !== null)
          return resume(Effect.void)
        const force = setTimeout(() => child?.kill("SIGKILL"), 15_000)
        child.once("exit", () => {
          clearTimeout(force)
          resume(Effect.void)
        })
        child.kill("SIGTERM")
      })
  )
}

const until = (what: string, check: () => boolean | Promise<boolean>) =>
  Effect.gen(function* () {
    while (
      !(yield* Effect.promise(async () => check()).pipe(Effect.catchDefect(() => Effect.succeed(false))))
    )
      yield* Effect.sleep(100)
  }).pipe(
    Effect.timeoutOrElse({
      duration: limit! * 1_000,
      orElse: () => Effect.fail(`waited in vain for ${what}`)
    })
  )

/** Kills the broker that KeptKafka started in `folder`; KeptKafka starts it again. */
const killBroker = (folder: string) => {
  const { how, name } = JSON.parse(readFileSync(path.join(folder, "cluster.json"), "utf8"))
  if (how === "docker") execFileSync("docker", ["kill", "--signal", "KILL", name], { stdio: "ignore" })
  else process.kill(Number(readFileSync(path.join(folder, "pid"), "utf8")), "SIGKILL")
}

const proof = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = mkdtempSync(path.join(tmpdir(), "oncegate-ledger-"))
      chmodSync(made, 0o711) // as root, Postgres runs as another user and must be able to pass
      return made
    }),
    (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
  )
  const kafkaFolder = path.join(folder, "kafka")
  yield* say("starting Postgres, Kafka and the simulator ..")
  const [pg, kafka, simulator] = yield* Effect.all(
    [
      EmbeddedPostgres.start({ folder: path.join(folder, "postgres") }),
      KeptKafka.start({ folder: kafkaFolder }),
      SimulatorServer.start({ stateDir: path.join(folder, "simulator") })
    ],
    { concurrency: 3 }
  )
  const url = Redacted.value(pg.url)
  const sql = yield* Effect.acquireRelease(
    Effect.sync(() => postgres(url, { max: 2, onnotice: () => {}, connection: { search_path: "ledger" } })),
    (open) => Effect.promise(() => open.end({ timeout: 2 }))
  )

  const main = path.join(root, "src", "main.ts")
  const service = {
    DATABASE_URL: url,
    KAFKA_BROKERS: kafka.brokers.join(","),
    MASTER_KEYS: `proof:${randomBytes(32).toString("base64")}`,
    ADMIN_TOKEN: "a token for the time of this proof only",
    ...gateEnvironment(simulator),
    HOST: "127.0.0.1",
    PORT: "0",
    ADMIN_PORT: "0",
    LOG_FORMAT: "json"
  }
  yield* Effect.sync(() =>
    execFileSync(process.execPath, [...runtime, main, "migrate"], {
      env: { ...process.env, ...service },
      stdio: "ignore"
    })
  )
  const gate = yield* keep("gate", [main, "serve", "--without", "relay"], service)
  const relay = yield* keep("relay", [main, "serve", "--only", "relay"], service)
  const ledger = yield* keep("ledger", [path.join(root, "examples", "ledger", "main.ts")], {
    LEDGER_DATABASE_URL: url,
    KAFKA_BROKERS: service.KAFKA_BROKERS
  })
  const ingress = () => /"ingress":"([^"]+)"/.exec(gate.output())?.[1]
  yield* until("the gate", () => ingress() !== undefined)

  // Slow enough that there is work to do at every kill: ledger and broker need some seconds to come back.
  const rate = Math.max(2, Math.min(60, (events! * COPIES) / (kills! * 3 * SECONDS_A_KILL + 1)))
  const expectFile = path.join(folder, "e.json")
  const simulation = spawn(
    process.execPath,
    [
      ...[
        ...runtime,
        main,
        "simulate",
        "--provider",
        "all",
        "--events",
        String(events),
        "--copies",
        String(COPIES)
      ],
      ...["--retry", "60", "--concurrency", "8", "--rate", String(rate), "--url", ingress()!],
      ...["--expect", expectFile, "--data-dir", folder],
      ...(values.seed === undefined ? [] : ["--seed", values.seed])
    ],
    { cwd: root, env: process.env, stdio: ["ignore", "pipe", "inherit"] }
  )
  let report = ""
  let simulated: number | null | undefined
  simulation.stdout.on("data", (chunk) => {
    report += chunk
  })
  simulation.once("exit", (code) => {
    simulated = code
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => simulation.kill("SIGKILL")))

  const booked = async () => Number((await sql<[{ count: string }]>`SELECT count(*) FROM entries`)[0].count)
  const compare = async () =>
    compareSums(JSON.parse(readFileSync(expectFile, "utf8")) as Expectation, await readBalances(sql))
  const isEqual = async () => simulated !== undefined && (await compare()).every((one) => one.isEqual)
  yield* until("the first entry", async () => (await booked()) > 0)
  const victims = [
    ["ledger", () => ledger.kill()],
    ["relay", () => relay.kill()],
    ["broker", () => killBroker(kafkaFolder)]
  ] as const
  for (let round = 1; round <= kills!; round += 1)
    for (const [name, kill] of victims) {
      const before = yield* Effect.promise(booked)
      yield* Effect.sync(kill)
      yield* say(`kill -9 of the ${name} (${round} of ${kills}) at ${before} entries`)
      // On once the ledger works again; at the end there may be nothing left to book.
      yield* until("new entries", async () => (await booked()) > before || (await isEqual()))
    }

  yield* until("the simulator", () => simulated !== undefined)
  yield* say(`\n${report.trim().split("\n").at(-1)}`)
  if (simulated !== 0) return yield* Effect.fail("the simulator was not content")
  yield* until("equal sums", isEqual).pipe(
    Effect.timeoutOrElse({ duration: 60_000, orElse: () => Effect.void })
  )
  // Equal once is not enough: what is doubled could still be on its way.
  let before = -1
  while (before !== (yield* Effect.promise(booked))) {
    before = yield* Effect.promise(booked)
    yield* Effect.sleep(3_000)
  }

  const compared = yield* Effect.promise(compare)
  yield* say(`\n${balanceTable(yield* Effect.promise(() => readBalances(sql)))}\n`)
  for (const { account, booked, currency, foretold, isEqual } of compared)
    yield* say(
      `${isEqual ? "equal " : "DIFFER"}  ${currency} ${account.padEnd(11)}  foretold ${foretold}, booked ${booked}`
    )
  const differing = compared.filter(({ isEqual }) => !isEqual).length
  if (compared.length === 0) return yield* Effect.fail("nothing was booked")
  if (differing > 0) return yield* Effect.fail(`${differing} of ${compared.length} sums differ`)
  yield* say(
    `\nPROVED: ${compared.length} sums equal through ${kills! * victims.length} kills, ${before} entries`
  )
}).pipe(
  Effect.scoped,
  Effect.timeoutOrElse({ duration: limit! * 1_000, orElse: () => Effect.fail(`no end within ${limit} s`) }),
  Effect.provideService(References.MinimumLogLevel, "Error")
)

const interrupted = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort())
const exit = await Effect.runPromiseExit(proof, { signal: interrupted.signal })
if (exit._tag === "Failure") {
  const [reason] = exit.cause.reasons
  const why =
    reason?._tag === "Fail"
      ? typeof reason.error === "string"
        ? reason.error
        : reason.error.message
      : reason?._tag === "Interrupt"
        ? "interrupted"
        : "a fault of the proof itself"
  console.error(`\nNOT PROVED: ${why}`)
  if (reason?._tag === "Die") console.error(reason.defect)
}
process.exit(exit._tag === "Success" ? 0 : 1)
