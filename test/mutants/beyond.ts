// What nobody had looked for when the others were written: each of these survived once, and has a test since.
import type { Mutant } from "./mutants.ts"
import { GATE_STORE, mutant as mutantOf, PAYPAL } from "./outside.ts"

const STATES = "test/infra/postgres/BookedStates.test.ts"
const EVENTS = "test/infra/postgres/Events.test.ts"
const PROVEN = "test/infra/postgres/Proven.test.ts"
const PROCESS = "test/domain/process.test.ts"
const TOSS_FACTS = "test/infra/providers/TossFacts.test.ts"
const GUARDED = "test/infra/providers/Guarded.test.ts"
const LOCKS = "test/infra/postgres/LockOrder.test.ts"
const START = "test/cli/start.test.ts"
const SESSIONS = "test/infra/postgres/Database.test.ts"
const SETTLED = "test/infra/postgres/Settled.test.ts"
const FENCE = "test/infra/kafka/Fence.test.ts"
const UNENDED = "test/infra/kafka/Unended.test.ts"
const TROUBLE = "test/infra/kafka/RelayTrouble.test.ts"
const BAD = "test/e2e/BadInputs.test.ts"

/** `rest`: what of the test's name is put together elsewhere. */
const mutant = (
  name: string,
  without: string,
  file: string,
  edit: readonly [find: string, replace: string],
  [caughtBy, stands, rest = ""]: readonly [file: string, stands: string, rest?: string]
): Mutant => mutantOf(name, without, file, edit, { file: caughtBy, test: `${stands}${rest}`, stands })

const unordered = (of: string, file: string, find: string, replace: string) =>
  mutant(
    `${of.replace(" ", "-")}-in-any-order`,
    `a group takes its ${of} in the order in which they came, and groups may deadlock`,
    `src/infra/postgres/${file}Statement.ts`,
    [find, replace],
    [LOCKS, of, ": while it waits for the first, the last is free"]
  )
const LOCKED = "   ORDER BY e.provider, e.dedup_key\n     FOR UPDATE OF e\n), "
const UNLOCKED = "     FOR UPDATE OF e\n), "

export const beyond: ReadonlyArray<Mutant> = [
  unordered(
    "claims",
    "claim",
    "   ORDER BY provider, dedup_key\n  ON CONFLICT (provider",
    "  ON CONFLICT (provider"
  ),
  unordered("transmissions", "claim", "   ORDER BY provider, transmission_id, crc32\n", ""),
  unordered("re-claims", "reclaim", `${LOCKED}u AS (`, `${UNLOCKED}u AS (`),
  unordered("completions", "complete", `${LOCKED}s AS (`, `${UNLOCKED}s AS (`),
  unordered(
    "booked states",
    "complete",
    "outdated IS NOT TRUE ORDER BY provider, object",
    "outdated IS NOT TRUE"
  ),
  unordered("booked effects", "complete", "FROM wanted ORDER BY provider, effect_key", "FROM wanted"),
  unordered(
    "heartbeats",
    "fail",
    `${LOCKED}c AS (\n  UPDATE webhook_dedup_events e SET lease`,
    `${UNLOCKED}c AS (\n  UPDATE webhook_dedup_events e SET lease`
  ),
  mutant(
    "states-of-one-thing-together",
    "two completions that tell of one virtual account share a statement",
    "src/infra/postgres/PostgresGateStore.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source has it so
    ["      ...(row.state === null ? [] : [`${row.provider}\\tof ${row.state.object}`])\n", ""],
    [STATES, "a withdrawal that may have been asked for before the deposit is booked once it was not"]
  ),
  mutant(
    "state-race-not-repeated",
    "a withdrawal does not see a deposit that is committed while it waits for its turn",
    "src/infra/postgres/completeStatement.ts",
    ["ELSE oncegate_repeat('state') END AS ours", "ELSE true END AS ours"],
    [STATES, "two gates", ": a withdrawal sees the deposit whose completion was under way when its own began"]
  ),
  mutant(
    "older-answer-booked",
    "an answer that may be older than the one that is booked is booked after it",
    "src/infra/postgres/completeStatement.ts",
    ["b.booked_at > r.changed_at AND b.state <> v.state AS outdated", "false AS outdated"],
    [STATES, "a first wait that is completed late withdraws nothing: it is asked for again"]
  ),
  mutant(
    "states-that-agree-not-known",
    "two events that tell the same of a virtual account hold each other up",
    "src/infra/postgres/completeStatement.ts",
    [
      "b.booked_at > r.changed_at AND b.state <> v.state AS outdated",
      "b.booked_at > r.changed_at AS outdated"
    ],
    [STATES, "two events that tell the same are both done, whichever was asked for first"]
  ),
  mutant(
    "state-not-told",
    "Toss's adapter does not say that a virtual account's facts are of a state that may go back",
    "src/infra/providers/Toss.ts",
    [
      'const stateOf = isVirtualAccount(payment) ? idAt(payment, "paymentKey") : undefined',
      "const stateOf = undefined"
    ],
    [TOSS_FACTS, "of a virtual account it is a state, which may go back; of a card it is not"]
  ),
  mutant(
    "proven-state-booked-at-once",
    "a delivery that proves a state by itself books it out of turn",
    "src/infra/postgres/claim.ts",
    ["  proven.stateOf !== undefined ||\n", ""],
    [PROVEN, "one that tells a state is only claimed: its completion takes its turn"]
  ),
  mutant(
    "outdated-answer-counted",
    "an answer that may be older than what is booked is a failure of the event, which is counted",
    "src/domain/process.ts",
    ['ProcessFailed.of("world", "not_visible_yet")', 'ProcessFailed.of("event", "not_visible_yet")'],
    [PROCESS, "whose answer may be older than what is booked is put off, uncounted, to ask again"]
  ),
  mutant(
    "reinterpretation-out-of-turn",
    "a reinterpretation books an answer that may be older than the one that is booked",
    "src/infra/postgres/reinterpretStatement.ts",
    [" AND NOT EXISTS (SELECT FROM turn WHERE NOT ours)", ""],
    [EVENTS, "takes its turn with completions: an answer that may be older books nothing"]
  ),
  mutant(
    "transmission-race-not-repeated",
    "a transmission that another gate commits at this moment is taken for a new one",
    "src/infra/postgres/claimStatement.ts",
    ["seen.request_hash IS NULL THEN oncegate_repeat('transmission')", "seen.request_hash IS NULL THEN true"],
    [GATE_STORE, "a second body under a transmission that another gate is about to commit is forged"]
  ),
  mutant(
    "no-statement-timeout",
    "the server ends no statement of a gate that is gone",
    "src/infra/postgres/Database.ts",
    ["    statement_timeout: options.statementTimeoutMs,\n", ""],
    [
      SESSIONS,
      "every session has limits on the server's side: for a statement, a lock, and a transaction left open"
    ]
  ),
  mutant(
    "standby-kept",
    "a connection to a server that takes no writes is kept",
    "src/infra/postgres/DatabaseError.ts",
    ['severity === "ERROR" && code !== READ_ONLY', 'severity === "ERROR"'],
    [SESSIONS, "a server that takes no writes keeps no connection: the next one may lead to the primary"]
  ),
  mutant(
    "fsync-not-asked-for",
    "a gate starts on a database that forgets what it confirmed",
    "src/cli/Service.ts",
    ['if (row?.fsync !== "on")', 'if (row?.fsync === "")'],
    [START, "on a database that would lose what it confirmed"]
  ),
  mutant(
    "pending-migrations-taken",
    "a gate starts on the schema of an earlier version",
    "src/cli/Service.ts",
    ["if (pending.length > 0)", "if (pending.length > 1_000)"],
    [START, "while migrations are pending"]
  ),
  mutant(
    "later-schema-taken",
    "a gate starts on the schema of a later version",
    "src/infra/postgres/Migrations.ts",
    [
      "if (file === undefined)\n      return",
      'if (file === undefined) continue\n    if (name === "")\n      return'
    ],
    [START, "on the schema of a later version"]
  ),
  mutant(
    "live-and-test-under-one-name",
    "an endpoint may change its environment",
    "src/infra/postgres/Endpoints.ts",
    [" || row.environment !== endpoint.environment", ""],
    [START, "with an endpoint that was of another environment"]
  ),
  mutant(
    "not-ready-not-said",
    "a gate that ends says that it is ready",
    "src/cli/Service.ts",
    ["if (ingress.isDraining()) return false\n", ""],
    ["test/http/Drain.test.ts", "says first that it is not ready, to whoever still holds a connection"]
  ),
  mutant(
    "parents-not-compared",
    "a refund told again may be one of another payment",
    "src/domain/BillingFact.ts",
    ['    fact.parent_reference ?? ""\n', '    ""\n'],
    [
      "test/infra/providers/FactDrafts.test.ts",
      "told with two amounts, currencies or parents it is nothing that can be booked"
    ]
  ),
  mutant(
    "forgeries-trip-the-breaker",
    "events that the API does not know count as its failures: whoever posts five stops a provider",
    "src/infra/providers/Guarded.ts",
    ['  "provider_unauthorized"\n', '  "provider_unauthorized",\n  "unconfirmed"\n'],
    [GUARDED, "events that the API does not know, or that are at fault themselves, do not trip it"]
  ),
  mutant(
    "put-off-counts-as-an-answer",
    "an event that was put off without a question counts as an answer of the API",
    "src/infra/providers/Guarded.ts",
    ['if (error?.code === "provider_busy") return', 'if (error?.code === "shutdown") return'],
    [GUARDED, "events that were put off without a question are no sign that the API works"]
  ),
  mutant(
    "authority-for-ever",
    "an authority's certificate is believed after it expired",
    "src/infra/providers/PayPalCertificateChain.ts",
    ["Math.min(Date.parse(leaf.validTo), Date.parse(issuer.validTo))", "Date.parse(leaf.validTo)"],
    [PAYPAL, "an authority that had expired when it signed", ": SignatureInvalid certificate_expired"]
  ),
  mutant(
    "certificate-of-any-key",
    "a certificate's key may be of any kind",
    "src/infra/providers/PayPalCertificateChain.ts",
    ['leaf.publicKey.asymmetricKeyType !== "rsa"', "leaf.publicKey.asymmetricKeyType === undefined"],
    [PAYPAL, "a key that is not RSA", ": SignatureInvalid certificate_key"]
  ),
  {
    name: "messages-of-errors-logged",
    without: "an error is logged with its message, which can quote a body",
    edits: [
      {
        file: "src/infra/telemetry/Logs.ts",
        find: "      kind: reason._tag.toLowerCase(),\n",
        replace: "      kind: reason._tag.toLowerCase(),\n      text: String((error as Error)?.message),\n"
      }
    ],
    caught: [
      {
        file: "test/infra/telemetry/Logs.test.ts",
        test: "json: an error is told by class, code and place, and nothing else of it",
        stands: "an error is told by class, code and place, and nothing else of it"
      }
    ]
  },
  mutant(
    "slow-headers-waited-for",
    "a sender may take its time over the headers",
    "src/http/Server.ts",
    ["headersTimeout: 5_000", "headersTimeout: 0"],
    [BAD, "who sends a header, a body or chunks letter by letter is cut off"]
  ),
  mutant(
    "half-a-body-taken",
    "what came of a body that broke off is taken for all of it",
    "src/http/readBody.ts",
    [
      '  request.on("error", () => end("aborted"))\n  request.on("close", () => end("aborted"))',
      '  request.on("error", () => end(Buffer.concat(chunks)))\n  request.on("close", () => end(Buffer.concat(chunks)))'
    ],
    [BAD, "a body that breaks off is none, though what came of it could be read"]
  ),
  mutant(
    "any-text-for-a-trace",
    "whatever a sender calls its trace goes into log and topics",
    "src/http/Ingress.ts",
    ["TRACEPARENT.test(traceparent)", 'traceparent !== ""'],
    ["test/http/Ingress.test.ts", "keeps a trace that has the form of one, and no other text of the sender's"]
  ),
  mutant(
    "misspelled-acts-done",
    "an act with a field that nobody knows is done without it",
    "src/http/AdminApi.ts",
    ['  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })\n', ""],
    ["test/http/Admin.test.ts", "in bulk, after a dry run that changes nothing"]
  ),
  mutant(
    "barrier-not-read-back",
    "an offset is believed before the barrier behind it is seen",
    "src/infra/kafka/Producer.ts",
    ["found.barrier?.nonce === barrier ?", 'barrier !== "" ?'],
    [FENCE, "an old offset is not believed of a broker", " that does not show the barrier yet"]
  ),
  mutant(
    "transactional-id-of-its-own",
    "each relay has a transactional id of its own, and fences nobody",
    "src/infra/kafka/Producer.ts",
    ["transactionalId: names.transactionalId,", "transactionalId: names.transactionalId + randomUUID(),"],
    [
      FENCE,
      "fences first, under the one id of all relays; offsets are of the transaction that they stand for"
    ]
  ),
  mutant(
    "emptied-database-begins-anew",
    "an emptied database begins behind topics in use",
    "src/infra/kafka/settle.ts",
    [
      'verdict._tag === "Begin" && reached.events + reached.outcomes > 0',
      'verdict._tag === "Begin" && names.group === ""'
    ],
    [TROUBLE, "refuses an emptied database behind topics in use, though Kafka forgot who wrote to them"]
  ),
  mutant(
    "old-backup-of-kafka-taken",
    "a Kafka that came back without its newest facts is gone on with",
    "src/infra/kafka/settle.ts",
    [
      "if (!(yield* holdsNewest(leader.connection, admin, names, verdict.from.place)))",
      'if (names.group === "")'
    ],
    [TROUBLE, "refuses a Kafka that forgot the offset and lacks the newest fact: it came back from a backup"]
  ),
  mutant(
    "later-events-published",
    "events of a later version are published as this one reads them",
    "src/infra/kafka/copy.ts",
    ["if (type_version !== 1)", "if (type_version < 1)"],
    [TROUBLE, "stops before an event of a later version, and before a fact of an endpoint that nobody knows"]
  ),
  mutant(
    "offset-left-to-expire",
    "an idle relay's offset is not written anew",
    "src/infra/kafka/copy.ts",
    ["startedMs - saved.atMs >= pace.recommitMs", "startedMs < 0"],
    [
      "test/infra/kafka/Relay.test.ts",
      "has its offset written anew while nothing happens, before Kafka forgets it"
    ]
  ),
  mutant(
    "settled-under-any-transmission",
    "a copy of a done event is noted without its transmission being known",
    "src/infra/postgres/claimStatement.ts",
    ["WHERE v.transmission_id IS NULL OR s.request_hash = v.request_hash", "WHERE true"],
    [SETTLED, "under a transmission of their own are recorded with it: another body under that one is forged"]
  ),
  mutant(
    "settled-though-at-work",
    "whoever has a body that was once done is told that it is, whatever became of its own event",
    "src/infra/postgres/claimStatement.ts",
    ["e.status || '' = 'done' AND", "e.status <> '' AND"],
    [SETTLED, "that are not done yet, or whose body is another, are told what they met"]
  ),
  mutant(
    "settled-under-any-body",
    "a known body settles an event that has another one",
    "src/infra/postgres/claimStatement.ts",
    [" AND e.request_hash = v.request_hash`", "`"],
    [SETTLED, "that are not done yet, or whose body is another, are told what they met"]
  ),
  mutant(
    "settled-by-itself",
    "a claim whose reply was lost, sent again as a copy, is taken for a duplicate of itself",
    "src/infra/postgres/claimStatement.ts",
    ["AND e.claim_token IS DISTINCT FROM v.token -- else it is ours, whose reply was lost\n", "\n"],
    [SETTLED, "are not taken for one where the event is their own, of a lost reply"]
  ),
  mutant(
    "settled-never-asked",
    "copies of done events are claimed, with their bodies sealed, before anyone looks",
    "src/infra/postgres/claim.ts",
    [
      'kind === "claim" && settledBodies.has(delivery.hash)',
      'kind !== "claim" && settledBodies.has(delivery.hash)'
    ],
    [SETTLED, "are noted with their count, and nobody tries to insert them"]
  ),
  mutant(
    "failures-take-no-rest",
    "what failed is tried again as fast as it can be taken, whoever posts meanwhile",
    "src/domain/Rescuer.ts",
    ['else if (lane !== "rescue")', 'else if (lane === "rescue")'],
    [
      "test/domain/Rescuer.test.ts",
      "is looked at again at once for dead workers, and after a rest that grows with the load for failures"
    ]
  ),
  mutant(
    "unended-not-looked-for",
    "a relay takes over without a look for transactions that Kafka forgot to end",
    "src/infra/kafka/Producer.ts",
    ["const unended = yield* look", "const unended: TopicEnds = new Map(look === undefined ? [] : [])"],
    [UNENDED, "and had acknowledged: the next relay commits it"]
  ),
  mutant(
    "unended-believed",
    "what Kafka forgot to end is committed, acknowledged or not",
    "src/infra/kafka/settle.ts",
    ["return wasAcknowledged ? unended", "return wasAcknowledged !== null ? unended"],
    [UNENDED, "and of which the offset was not sent: refused, and a rebase publishes nothing twice"]
  ),
  mutant(
    "unended-wherever-it-ends",
    "a relay that knows of an acknowledgement commits what hangs, also where it is of a later batch",
    "src/infra/kafka/settle.ts",
    [
      "end <= (acknowledged?.ends.get(partition) ?? -1n)",
      "end <= (acknowledged?.ends.get(partition) ?? -1n) + 99n"
    ],
    [UNENDED, "and of which the offset was not sent: refused, and a rebase publishes nothing twice"]
  ),
  mutant(
    "ended-without-a-mark",
    "what hangs is committed with nothing to tell the next relay that it may have been aborted instead",
    "src/infra/kafka/settle.ts",
    [
      "yield* producer.publish([], { batch: known.batch, nonce: rebaseNonce(randomUUID()) })",
      "void rebaseNonce"
    ],
    [UNENDED, "and whose end is broken off: every relay refuses until a rebase has published it again"]
  ),
  mutant(
    "closed-connections-unseen",
    "a relay goes on over a new connection as if nothing had been",
    "src/infra/kafka/copy.ts",
    ["if (options.connectionsClosed() !== closed)", "if (options.connectionsClosed() < 0)"],
    [
      UNENDED,
      "a transaction that Kafka forgot to end while its relay has nothing to do: seen by a connection that ended"
    ]
  ),
  mutant(
    "unended-left-by-a-rebase",
    "a rebase compares the log with topics in which a transaction hangs",
    "src/infra/rebase/Rebase.ts",
    ["yield* producer.publish([], marker, producer.unended)", "yield* producer.publish([], marker)"],
    [UNENDED, "and of which the offset was not sent: refused, and a rebase publishes nothing twice"]
  )
]
