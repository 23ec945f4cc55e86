import { Redacted } from "effect"
import type { MasterKey } from "../crypto/Custody.ts"
import { readDatabaseUrl } from "../postgres/DatabaseUrl.ts"
import { authorityOf } from "../tls/Authority.ts"
import { ConfigurationRefused, type Environment, EnvironmentReader } from "./EnvironmentReader.ts"

/** What the environment says, checked. Times in milliseconds. Variables are listed in docs/configuration.md. */
export interface Settings {
  readonly databaseUrl: Redacted.Redacted
  readonly kafka: {
    readonly brokers: ReadonlyArray<string>
    readonly topicPrefix: string
    readonly tls: boolean
    /** PEM of the authorities to trust instead of the runtime's own. */
    readonly ca?: string
    readonly sasl?: {
      readonly mechanism: "plain" | "scram-sha-512"
      readonly username: string
      readonly password: Redacted.Redacted
    }
  } | null
  readonly host: string
  readonly port: number
  readonly adminHost: string
  readonly adminPort: number
  readonly adminToken: Redacted.Redacted
  readonly masterKeys: readonly [MasterKey, ...Array<MasterKey>]
  readonly paypal: {
    readonly webhookId: string
    readonly environment: "live" | "sandbox"
    readonly clientId: string | null
    readonly clientSecret: Redacted.Redacted | null
    readonly confirm: "never" | "money"
    readonly certOrigin: string | null
    readonly caFile: string | null
    readonly apiOrigin: string | null
  } | null
  readonly toss: {
    readonly secretKey: Redacted.Redacted
    readonly securityKeys: ReadonlyArray<Redacted.Redacted>
    readonly apiOrigin: string | null
  } | null
  readonly leaseMs: number
  readonly maxAttempts: number
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  readonly answerDeadlineMs: number
  readonly failureAnswer: 200 | 500
  readonly maxBodyBytes: number
  readonly maxInFlight: number
  readonly payloadRetentionMs: number
  readonly keyRetentionMs: number
  readonly logFormat: "json" | "pretty"
  readonly logLevel: "Trace" | "Debug" | "Info" | "Warn" | "Error"
}

const DATABASE_URL = "postgres://user:password@host:port/database"
const DAY = 86_400_000
/** Toss redelivers for 3 d 19 h, PayPal for 3 d and by hand for longer: thirty days on top of the longest. */
const LEAST_KEY_RETENTION_DAYS = 34

const masterKeys = (text: string) => {
  const keys: Array<MasterKey> = []
  for (const part of text.split(",")) {
    const at = part.indexOf(":")
    const id = part.slice(0, at)
    const encoded = part.slice(at + 1)
    const key = Buffer.from(encoded, "base64")
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(id) || key.length !== 32 || !/^[A-Za-z0-9+/]+=*$/.test(encoded)) return
    if (new Set(key).size < 8 || keys.some((other) => other.id === id)) return
    keys.push({ id, key: Redacted.make(new Uint8Array(key)) })
  }
  const [first, ...rest] = keys
  return first === undefined ? undefined : ([first, ...rest] as const)
}

const secret = (least: number) => (text: string) =>
  text.length >= least && text.trim() === text ? Redacted.make(text) : undefined

const kafka = (read: EnvironmentReader, needed: boolean): Settings["kafka"] => {
  const brokers = (text: string) => {
    const list = text.split(",").map((part) => part.trim())
    const isBroker = (part: string) => /^[^\s:]+:\d{1,5}$/.test(part) && Number(part.split(":")[1]) <= 65_535
    return list.every(isBroker) ? list : undefined
  }
  const expected = "host:port, or several with commas"
  const list = needed
    ? read.required("KAFKA_BROKERS", expected, brokers)
    : read.parsed("KAFKA_BROKERS", expected, undefined, brokers)
  const topicPrefix = read.parsed(
    "KAFKA_TOPIC_PREFIX",
    "letters, digits, '.', '_', '-', at most 100",
    "",
    (text) => (/^[A-Za-z0-9._-]{1,100}$/.test(text) ? text : undefined)
  )
  const tls = read.choice("KAFKA_TLS", ["yes", "no"], "no") === "yes"
  const ca = read.parsed<string | undefined>("KAFKA_CA", "PEM certificates", undefined, authorityOf)
  if (ca !== undefined && !tls) read.problems.push("KAFKA_CA needs KAFKA_TLS=yes")
  const mechanism = read.choice("KAFKA_SASL_MECHANISM", ["none", "plain", "scram-sha-512"], "none")
  if (mechanism === "plain" && !tls)
    read.problems.push("KAFKA_SASL_MECHANISM=plain would send the password in clear: it needs KAFKA_TLS=yes")
  if (list === undefined) return null
  const reached = { brokers: list, topicPrefix, tls, ...(ca === undefined ? {} : { ca }) }
  if (mechanism === "none") return reached
  const username = read.required("KAFKA_SASL_USERNAME", "the user of KAFKA_SASL_MECHANISM", (text) => text)
  const password = read.required(
    "KAFKA_SASL_PASSWORD",
    "the password of KAFKA_SASL_USERNAME, at least 8 characters",
    secret(8)
  )
  return username === undefined || password === undefined
    ? null
    : { ...reached, sasl: { mechanism, username, password } }
}

const testOnly = (read: EnvironmentReader, name: string, given: boolean, allowed: boolean) => {
  if (given && !allowed)
    read.problems.push(`${name} is for tests only: remove it, or set ALLOW_TEST_PROVIDERS=yes`)
}

const paypal = (read: EnvironmentReader, testAllowed: boolean): Settings["paypal"] => {
  const webhookId = read.parsed<string | null>(
    "PAYPAL_WEBHOOK_ID",
    "the id of the webhook in PayPal's dashboard",
    null,
    (text) => (/^[A-Za-z0-9_-]{4,64}$/.test(text) ? text : undefined)
  )
  const settings = {
    environment: read.choice("PAYPAL_ENVIRONMENT", ["live", "sandbox"], "live"),
    clientId: read.text("PAYPAL_CLIENT_ID") ?? null,
    clientSecret: read.parsed("PAYPAL_CLIENT_SECRET", "at least 16 characters", null, secret(16)),
    confirm: read.choice("PAYPAL_CONFIRM", ["never", "money"], "never"),
    certOrigin: read.origin("PAYPAL_CERT_ORIGIN"),
    caFile: read.text("PAYPAL_CA_FILE") ?? null,
    apiOrigin: read.origin("PAYPAL_API_ORIGIN")
  }
  testOnly(read, "PAYPAL_CERT_ORIGIN", settings.certOrigin !== null, testAllowed)
  testOnly(read, "PAYPAL_CA_FILE", settings.caFile !== null, testAllowed)
  testOnly(read, "PAYPAL_API_ORIGIN", settings.apiOrigin !== null, testAllowed)
  // Anyone can have PayPal's own simulator sign for this id.
  testOnly(read, "PAYPAL_WEBHOOK_ID of PayPal's simulator", webhookId === "WEBHOOK_ID", testAllowed)
  if (settings.confirm === "money" && (settings.clientId === null || settings.clientSecret === null))
    read.problems.push("PAYPAL_CONFIRM=money needs PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET")
  return webhookId === null ? null : { webhookId, ...settings }
}

const toss = (read: EnvironmentReader, testAllowed: boolean): Settings["toss"] => {
  const secretKey = read.parsed("TOSS_SECRET_KEY", "the secret key, at least 16 characters", null, secret(16))
  const securityKeys = read.parsed<ReadonlyArray<Redacted.Redacted>>(
    "TOSS_SECURITY_KEYS",
    "64 hex digits, or several with commas",
    [],
    (text) => {
      const keys = text.split(",").map((part) => part.trim())
      return keys.every((key) => /^[0-9a-fA-F]{64}$/.test(key))
        ? keys.map((key) => Redacted.make(key))
        : undefined
    }
  )
  const apiOrigin = read.origin("TOSS_API_ORIGIN")
  testOnly(read, "TOSS_API_ORIGIN", apiOrigin !== null, testAllowed)
  return secretKey === null ? null : { secretKey, securityKeys, apiOrigin }
}

const part = <A>(environment: Environment, take: (read: EnvironmentReader) => A): A => {
  const read = new EnvironmentReader(environment)
  const value = take(read)
  if (read.problems.length > 0) throw new ConfigurationRefused({ problems: read.problems })
  return value
}

/** How Kafka is reached, for commands that need no more than that; null where no broker is named. */
export const readKafka = (environment: Environment) => part(environment, (read) => kafka(read, false))

/** The master keys alone; undefined where none are given. */
export const readMasterKeys = (environment: Environment) =>
  part(environment, (read) =>
    read.parsed("MASTER_KEYS", "id:base64 of 32 random bytes, or several with commas", undefined, masterKeys)
  )

/** Reads and checks the environment. `relay`: whether this process publishes, and so needs brokers. */
export const read = (
  environment: Environment,
  options: { readonly relay: boolean; readonly terminal: boolean; readonly defaultHost: string }
): Settings => {
  const read = new EnvironmentReader(environment)
  const databaseText = read.required("DATABASE_URL", DATABASE_URL, (text) => text)
  const problem = databaseText === undefined ? undefined : readDatabaseUrl(databaseText)
  if (problem !== undefined && "expected" in problem)
    read.problems.push(`DATABASE_URL must be ${problem.expected}`)
  const databaseUrl = databaseText === undefined ? undefined : Redacted.make(databaseText)
  const keys = read.required(
    "MASTER_KEYS",
    "id:base64 of 32 random bytes (openssl rand -base64 32), or several with commas",
    masterKeys
  )
  const adminToken = read.required("ADMIN_TOKEN", "at least 32 characters", secret(32))
  const testAllowed = read.choice("ALLOW_TEST_PROVIDERS", ["yes", "no"], "no") === "yes"
  const kafkaSettings = kafka(read, options.relay)
  const paypalSettings = paypal(read, testAllowed)
  const tossSettings = toss(read, testAllowed)
  if (paypalSettings === null && tossSettings === null)
    read.problems.push("no endpoint is configured: set PAYPAL_WEBHOOK_ID, TOSS_SECRET_KEY or both")
  const port = (name: string, fallback: number) => read.whole(name, fallback, 0, 65_535)
  const settings = {
    host: read.text("HOST") ?? options.defaultHost,
    port: port("PORT", 8080),
    adminHost: read.text("ADMIN_HOST") ?? "127.0.0.1",
    adminPort: port("ADMIN_PORT", 8081),
    leaseMs: read.whole("LEASE_MS", 30_000, 1_000, 3_600_000),
    maxAttempts: read.whole("MAX_ATTEMPTS", 10, 1, 1_000),
    backoffBaseMs: read.whole("BACKOFF_BASE_MS", 1_000, 1, 3_600_000),
    backoffMaxMs: read.whole("BACKOFF_MAX_MS", 3_600_000, 1, 7 * DAY),
    answerDeadlineMs: read.whole("ANSWER_DEADLINE_MS", 3_000, 1, 60_000),
    failureAnswer:
      read.choice("FAILURE_ANSWER", ["200", "500"], "200") === "500" ? (500 as const) : (200 as const),
    maxBodyBytes: read.whole("MAX_BODY_BYTES", 262_144, 1_024, 16_777_216),
    maxInFlight: read.whole("MAX_IN_FLIGHT", 1_000, 1, 100_000),
    payloadRetentionMs: read.whole("PAYLOAD_RETENTION_HOURS", 72, 1, 24 * 3_650) * 3_600_000,
    keyRetentionMs: read.whole("KEY_RETENTION_DAYS", 400, LEAST_KEY_RETENTION_DAYS, 36_500) * DAY,
    logFormat: read.choice("LOG_FORMAT", ["json", "pretty"], options.terminal ? "pretty" : "json"),
    logLevel: ({ trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const)[
      read.choice("LOG_LEVEL", ["trace", "debug", "info", "warn", "error"], "info")
    ]
  }
  if (read.problems.length > 0 || databaseUrl === undefined || keys === undefined || adminToken === undefined)
    throw new ConfigurationRefused({ problems: read.problems })
  return {
    ...settings,
    databaseUrl,
    masterKeys: keys,
    adminToken,
    kafka: kafkaSettings,
    paypal: paypalSettings,
    toss: tossSettings
  }
}
