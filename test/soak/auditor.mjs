// Judges a soak from outside: reads the journal of the providers (what was sent, what was answered, what must come of
// it), the tables, the topics and the ledger of a consumer. It shares no code with the gate: nothing but SQL, Kafka and
// the public contract.
// Usage: node auditor.mjs JOURNAL DATABASE_URL BROKERS PREFIX. Prints JSON; exit code 0: all right, 1: findings, 2: fault.
import { createReadStream } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"
import { setTimeout as pause } from "node:timers/promises"
import kafkajs from "kafkajs"
import postgres from "postgres"

const [journalFile, databaseUrl, brokers, prefix] = process.argv.slice(2)

const readJournal = async () => {
  const lines = []
  for await (const line of createInterface({ input: createReadStream(journalFile) }))
    lines.push(JSON.parse(line))
  return lines
}

const PROCESSED = "oncegate.webhook.processed.v1"
const factName = ({ effect_key, endpoint }) => `${endpoint} ${effect_key}`
const outcomeName = ({ dedup_key, endpoint }) => `${endpoint} outcome ${dedup_key}`

/** What must be in the topics for the 200s that were given. */
const wantedOf = (journal) =>
  journal
    .filter(({ answers, t }) => t === "event" && answers.some(([status]) => status === 200))
    .flatMap((event) => [outcomeName(event), ...event.facts.map(factName)])

/** Without a record for so long, nothing more is waited for; what is still missing then has not come. */
const QUIET_MS = 8_000
const LOST_MS = 90_000

/**
 * Every record of the two topics that a read_committed reader sees: until nothing more comes. The relay may have some to
 * write yet, so what is missing is waited for.
 */
const readTopics = async (wanted) => {
  const missing = new Set(wanted)
  const seen = { facts: [], outcomes: [] }
  const topics = {
    [`${prefix}billing.events.v1`]: seen.facts,
    [`${prefix}billing.webhook-outcomes.v1`]: seen.outcomes
  }
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: `auditor-${process.pid}-${Date.now()}`, readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topics: Object.keys(topics), fromBeginning: true })
  let last = Date.now()
  await consumer.run({
    eachMessage: async ({ message, partition, topic }) => {
      last = Date.now()
      const headers = Object.fromEntries(
        Object.entries(message.headers).map(([name, value]) => [name, String(value)])
      )
      const data = JSON.parse(String(message.value))
      topics[topic].push({
        partition,
        offset: Number(message.offset),
        id: headers.ce_id,
        type: headers.ce_type,
        data
      })
      missing.delete(factName(data))
      if (headers.ce_type === PROCESSED) missing.delete(outcomeName(data))
    }
  })
  while (Date.now() - last < (missing.size > 0 ? LOST_MS : QUIET_MS)) await pause(200)
  await consumer.disconnect()
  return seen
}

const readRows = async () => {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  const rows = await sql`SELECT provider, dedup_key, status, error_code FROM webhook_dedup_events`
  await sql.end()
  return new Map(rows.map((row) => [`${row.provider} ${row.dedup_key}`, row]))
}

/** What a ledger does with a fact: the account against the money, and the sign of the money. */
const BOOKED = {
  "billing.payment.captured.v1": ["revenue", 1n],
  "billing.deposit.received.v1": ["revenue", 1n],
  "billing.deposit.withdrawn.v1": ["revenue", -1n],
  "billing.payment.refunded.v1": ["refunds", -1n],
  "billing.payment.reversed.v1": ["chargebacks", -1n]
}
/** Every currency is an integer in units of 10^-8. */
const SCALE = 8
const scaled = (value) => {
  const [whole, fraction = ""] = value.split(".")
  return BigInt(`${whole}${fraction.padEnd(SCALE, "0")}`)
}

/** The lines that a ledger must have for a fact, as `account currency amount`. */
const linesOf = ({ data, type }) => {
  const [account, sign] = BOOKED[type] ?? []
  const minor = account === undefined || data.amount === null ? 0n : sign * scaled(data.amount.value)
  const { currency } = data.amount ?? {}
  return minor === 0n ? [] : [`clearing ${currency} ${minor}`, `${account} ${currency} ${-minor}`].sort()
}

/** The lines of each entry by its event's id; read again while the consumers still have some to book. */
const readLedger = async (expected) => {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {}, connection: { search_path: "ledger" } })
  let booked = 0
  let last = Date.now()
  while (booked < expected && Date.now() - last < 60_000) {
    const [{ count }] = await sql`SELECT count(*)::int AS count FROM entries`
    if (count > booked) last = Date.now()
    booked = count
    await pause(500)
  }
  const rows = await sql`
    SELECT event_id, account, currency, (minor * 10 ^ (${SCALE} - decimals)::numeric)::numeric(60, 0)::text AS amount
      FROM lines JOIN currencies ON code = currency`
  const [{ letters }] =
    await sql`SELECT count(*)::int AS letters FROM oncegate_inbox WHERE outcome <> 'handled'`
  await sql.end()
  const entries = new Map()
  for (const { account, amount, currency, event_id } of rows)
    entries.set(event_id, [...(entries.get(event_id) ?? []), `${account} ${currency} ${amount}`].sort())
  return { entries, letters }
}

/** Money by account and currency. */
const sumsOf = (lines) => {
  const sums = new Map()
  for (const line of lines) {
    const [account, currency, amount] = line.split(" ")
    sums.set(`${account} ${currency}`, (sums.get(`${account} ${currency}`) ?? 0n) + BigInt(amount))
  }
  return sums
}

const judge = (journal, rows, { facts, outcomes }, ledger) => {
  const findings = []
  const find = (what, details) => findings.push({ what, ...details })
  const of = (t) => journal.filter((line) => line.t === t)
  const events = of("event")
  const [end] = of("end")

  const must = new Map()
  const may = new Set()
  /** The first act of its story that proves a fact. */
  const provenIn = new Map()
  for (const { act, answers, dedup_key, endpoint, facts: told } of events) {
    const isAcked = answers.some(([status]) => status === 200)
    const row = rows.get(`${endpoint} ${dedup_key}`)
    if (isAcked && row === undefined) find("lost: acked without a row", { endpoint, dedup_key })
    if (isAcked && row !== undefined && (row.status !== "done" || row.error_code !== null))
      find("stuck", { endpoint, dedup_key, status: row.status, code: row.error_code })
    for (const [status] of answers)
      if (![0, 200, 503].includes(status)) find("wrongly answered", { endpoint, dedup_key, status })
    for (const fact of told) {
      const key = `${endpoint} ${fact.effect_key}`
      may.add(key)
      if (isAcked) must.set(key, fact)
      provenIn.set(key, Math.min(provenIn.get(key) ?? Number.POSITIVE_INFINITY, act))
    }
  }

  const published = new Map()
  for (const record of facts) {
    const key = `${record.data.endpoint} ${record.data.effect_key}`
    published.set(key, [...(published.get(key) ?? []), record])
    if (!may.has(key)) find("invented", { key, type: record.type })
  }
  for (const [key, { amount, type }] of must) {
    const [first, ...more] = published.get(key) ?? []
    if (first === undefined) find("lost: no billing event", { key })
    else if (first.type !== type || JSON.stringify(first.data.amount) !== JSON.stringify(amount))
      find("wrong", { key, got: first.data.amount, type: first.type })
    if (more.length > 0) find("doubled", { key, times: more.length + 1 })
  }
  const ids = new Map()
  for (const { id } of [...facts, ...outcomes]) ids.set(id, (ids.get(id) ?? 0) + 1)
  for (const [id, times] of ids) if (times > 1) find("doubled: one ce_id", { id, times })

  // What was sent after the gate was done with something else comes after it, within one payment.
  const byPayment = Map.groupBy(facts, ({ data }) => `${data.endpoint} ${data.payment_reference}`)
  let ordered = 0
  for (const [payment, records] of byPayment) {
    if (new Set(records.map(({ partition }) => partition)).size > 1)
      find("out of order: two partitions", { payment })
    const acts = records
      .sort((a, b) => a.offset - b.offset)
      .map(({ data }) => provenIn.get(`${data.endpoint} ${data.effect_key}`) ?? 0)
    if (acts.length > 1) ordered += 1
    if (acts.some((act, index) => index > 0 && act < acts[index - 1])) find("out of order", { payment, acts })
  }

  const processed = new Map()
  for (const { data, type } of outcomes)
    if (type === PROCESSED) {
      const key = `${data.endpoint} ${data.dedup_key}`
      processed.set(key, (processed.get(key) ?? 0) + 1)
    }
  for (const { answers, dedup_key, endpoint } of events) {
    const times = processed.get(`${endpoint} ${dedup_key}`) ?? 0
    if (times !== 1 && (times > 1 || answers.some(([status]) => status === 200)))
      find("outcome", { endpoint, dedup_key, processed: times })
  }

  // What was told to be done is never begun again; what was not, is tried when it comes again.
  const told = ([status, word, state]) =>
    status === 200 && (word === "processed" || (word === "already_processed" && state === "done"))
  const done = new Set(events.filter(({ answers }) => answers.some(told)).map(({ dedup_key }) => dedup_key))
  for (const { answer, dedup_key } of of("again"))
    if (answer[0] === 200 && done.has(dedup_key) && answer[1] !== "already_processed")
      find("wrongly answered again", { dedup_key, answer })
  for (const { answer, dedup_key, endpoint } of of("forged")) {
    const row = rows.get(`${endpoint} ${dedup_key}`)
    if (endpoint === "paypal" && (row !== undefined || ![401, 503, 0].includes(answer[0])))
      find("wrongly acked: forged", { dedup_key, answer })
    if (endpoint === "toss" && row !== undefined && row.error_code !== "unconfirmed" && row.status === "done")
      find("wrongly done: forged", { dedup_key })
  }

  const expected = facts
    .map(({ id, ...fact }) => ({ id, lines: linesOf(fact) }))
    .filter(({ lines }) => lines.length > 0)
  for (const { id, lines } of expected) {
    const entry = ledger.entries.get(id)
    if (entry === undefined) find("ledger: not booked", { id })
    else if (entry.join() !== lines.join()) find("ledger: booked otherwise", { id })
  }
  const known = new Set(expected.map(({ id }) => id))
  for (const id of ledger.entries.keys()) if (!known.has(id)) find("ledger: booked and not published", { id })
  if (ledger.letters > 0) find("ledger: dead letters", { letters: ledger.letters })
  // From the providers' own history, not from what was published: the money that must be there, once.
  const money = sumsOf([...must.values()].flatMap((fact) => linesOf({ type: fact.type, data: fact })))
  const unacked = facts.filter(({ data }) => !must.has(`${data.endpoint} ${data.effect_key}`))
  for (const [name, sum] of sumsOf(unacked.flatMap(linesOf))) money.set(name, (money.get(name) ?? 0n) + sum)
  const booked = sumsOf([...ledger.entries.values()].flat())
  for (const name of new Set([...money.keys(), ...booked.keys()]))
    if ((money.get(name) ?? 0n) !== (booked.get(name) ?? 0n)) find("ledger: sums differ", { name })

  const acked = events.flatMap(({ answers }) => answers).filter(([status]) => status === 200).length
  if (acked < end.least) find("too few acked", { acked, least: end.least })
  const faults = of("fault")
  for (const kind of end.kinds) {
    const those = faults.filter((fault) => fault.kind === kind)
    if (!those.some(({ inFlight, met }) => inFlight > 0 && met)) find("a fault that struck no work", { kind })
  }
  if (end.died.gates > 0) find("a gate died by itself", { gates: end.died.gates })
  if (end.died.consumers > 0) find("a consumer died by itself", { consumers: end.died.consumers })
  const never = events.filter(({ answers }) => answers.every(([status]) => status !== 200)).length
  if (never > 0) find("never acked", { events: never })
  if (end.late > 0) find("the tail is not all right", { refused_after_the_last_fault: end.late })

  const count = (start) => findings.filter(({ what }) => what.startsWith(start)).length
  return {
    counts: {
      events: events.length,
      acked,
      facts: facts.length,
      outcomes: outcomes.length,
      payments_in_order: ordered,
      ledger_entries: ledger.entries.size,
      ledger_sums: booked.size,
      came_again: of("again").length,
      forged: of("forged").length,
      faults: faults.length,
      faults_in_flight: faults.filter(({ inFlight }) => inFlight > 0).length,
      lost: count("lost"),
      doubled: count("doubled"),
      stuck: count("stuck"),
      out_of_order: count("out of order"),
      wrong: count("wrong") + count("invented") + count("outcome"),
      ledger_wrong: count("ledger"),
      findings: findings.length
    },
    findings: findings.slice(0, 1_000)
  }
}

try {
  const journal = await readJournal()
  const [rows, topics] = [await readRows(), await readTopics(wantedOf(journal))]
  const ledger = await readLedger(topics.facts.filter((fact) => linesOf(fact).length > 0).length)
  const verdict = judge(journal, rows, topics, ledger)
  console.log(JSON.stringify(verdict))
  process.exit(verdict.findings.length === 0 ? 0 : 1)
} catch (error) {
  console.error(`auditor: ${error.stack}`)
  process.exit(2)
}
