// What somebody who never saw our list would take away: one mechanism each, all over the sources.
import type { Mutant } from "./mutants.ts"

export const GATE_STORE = "test/infra/postgres/GateStore.test.ts"
export const INGRESS = "test/http/Ingress.test.ts"
const PROCESS = "test/domain/process.test.ts"
export const PAYPAL = "test/infra/providers/PayPalVerification.test.ts"
const TOSS = "test/infra/providers/TossIdentity.test.ts"
const TOSS_FACTS = "test/infra/providers/TossFacts.test.ts"
const RETENTION = "test/infra/postgres/Retention.test.ts"

/** One edit of one file. */
export const mutant = (
  name: string,
  without: string,
  file: string,
  [find, replace]: readonly [find: string, replace: string],
  ...caught: Mutant["caught"]
): Mutant => ({ name, without, edits: [{ file, find, replace }], caught })

export const outside: ReadonlyArray<Mutant> = [
  mutant(
    "lost-claim-not-recognised",
    "a claim whose reply was lost is not known by its token",
    "src/infra/postgres/reclaimStatement.ts",
    ["           WHEN e.status = 'processing' AND e.claim_token = v.token THEN 'claimed'\n", ""],
    { file: GATE_STORE, test: "a lost reply of a claim is resolved by its token: claimed, and once" }
  ),
  mutant(
    "rescuer-waits",
    "a rescuer waits for rows that others hold",
    "src/infra/postgres/takeStatement.ts",
    ["     FOR UPDATE SKIP LOCKED\n", "     FOR UPDATE\n"],
    {
      file: GATE_STORE,
      test: "what another session holds is passed by: a rescuer waits for nobody, and takes the rest"
    }
  ),
  mutant(
    "rescuers-do-not-lock",
    "two rescuers may take the same row",
    "src/infra/postgres/takeStatement.ts",
    ["     FOR UPDATE SKIP LOCKED\n", ""],
    {
      file: GATE_STORE,
      test: "an expired claim is taken with its body by whoever looks first, and by nobody else"
    }
  ),
  mutant(
    "no-heartbeat",
    "long work does not renew its lease",
    "src/domain/process.ts",
    ["Effect.andThen(store.renew(claim)),", "Effect.andThen(Effect.void),"],
    { file: PROCESS, test: "that takes ten leases keeps its claim: it is renewed before each of them ends" }
  ),
  mutant(
    "lost-claim-works-on",
    "work goes on after its claim was lost",
    "src/domain/process.ts",
    ['Effect.catchTag("StoreUnavailable", () => Effect.void),', "Effect.catch(() => Effect.void),"],
    { file: PROCESS, test: "that lost its claim is interrupted, and neither completes nor fails the event" }
  ),
  mutant(
    "outage-taken-for-a-loss",
    "a lease that cannot be renewed at the moment counts as lost",
    "src/domain/process.ts",
    [
      'Effect.catchTag("StoreUnavailable", () => Effect.void),',
      'Effect.catchTag("StoreUnavailable", () => Effect.interrupt),'
    ],
    {
      file: PROCESS,
      test: "whose lease cannot be renewed for an outage works on: that is no proof of a loss"
    }
  ),
  mutant(
    "result-not-kept",
    "a completion is offered to the database once",
    "src/domain/complete.ts",
    ['while: (error) => error._tag === "StoreUnavailable"', "while: () => false"],
    { file: PROCESS, test: "keeps its result through an outage of the database shorter than a lease" }
  ),
  mutant(
    "defect-not-caught",
    "a fault of an adapter ends the attempt without a word in the table",
    "src/domain/process.ts",
    [
      '    Effect.catchDefect(() => Effect.fail(ProcessFailed.of("event", "unexpected")))\n',
      "    Effect.asSome,\n    Effect.map(({ value }) => value)\n"
    ],
    { file: PROCESS, test: "whose adapter breaks is a failure of the event, recorded as one" }
  ),
  mutant(
    "retry-after-not-heeded",
    "a provider that asks for time is asked again at our own pace",
    "src/domain/fail.ts",
    ["Math.min(failure.retryAfterMs ?? 0, policy.backoffMaxMs)", "0"],
    {
      file: PROCESS,
      test: "that the provider put off waits as long as it asked, and no longer than our longest pause"
    }
  ),
  mutant(
    "pauses-do-not-grow",
    "a failing event is tried at one pace for ever",
    "src/domain/Policy.ts",
    ["policy.backoffBaseMs * 2 ** Math.min", "policy.backoffBaseMs + 0 * Math.min"],
    { file: "test/domain/Policy.test.ts", test: "a pause doubles with every failure, up to the longest" }
  ),
  mutant(
    "nothing-handed-back",
    "work at shutdown is left to its lease",
    "src/domain/Workers.ts",
    ["Effect.onInterrupt(() => Effect.ignore(store.release(claim))),", ""],
    { file: PROCESS, test: "that shutdown finds at work is handed back, not left to its lease" }
  ),
  mutant(
    "raced-booking-not-compared",
    "an effect that somebody else commits at this moment is taken for the same without a look",
    "src/infra/postgres/completeStatement.ts",
    ["           WHEN w.clash IS NULL THEN oncegate_repeat('effect')\n", ""],
    {
      file: GATE_STORE,
      test: "a fact that somebody books at this moment, with another amount, is a conflict all the same"
    }
  ),
  mutant(
    "amounts-not-compared",
    "a second fact under an effect key may have another amount",
    "src/infra/postgres/completeStatement.ts",
    ["SELECT DISTINCT n FROM f WHERE clash", "SELECT DISTINCT n FROM f WHERE false"],
    {
      file: GATE_STORE,
      test: "one fact told by two events is booked once; with another amount it is a conflict"
    }
  ),
  mutant(
    "withdrawal-without-deposit",
    "a fact that depends on another one is booked without it",
    "src/infra/postgres/completeStatement.ts",
    ["   WHERE f.only_after IS NULL\n", "   WHERE f.only_after IS NULL OR true\n"],
    { file: GATE_STORE, test: "a withdrawal is booked only where a deposit was received" }
  ),
  mutant(
    "one-transmission-two-bodies",
    "a second body under one transmission and CRC is taken",
    "src/infra/postgres/claimStatement.ts",
    ["ELSE seen.request_hash = v.request_hash\n", "ELSE true\n"],
    {
      file: INGRESS,
      test: "refuses a second body under one transmission and CRC as forged, without a claim"
    }
  ),
  mutant(
    "second-body-not-seen",
    "another body under a known key is taken for a duplicate",
    "src/infra/postgres/reclaimStatement.ts",
    ["           WHEN e.request_hash <> v.request_hash THEN 'mismatch'\n", ""],
    { file: INGRESS, test: "keeps a second body under a known key apart, parked, both in custody" }
  ),
  mutant(
    "commit-not-waited-for",
    "a session takes the server's word before the commit is on disk",
    "src/infra/postgres/Database.ts",
    ['    synchronous_commit: "on",\n', ""],
    {
      file: "test/infra/postgres/Database.test.ts",
      test: "every session waits for its commits to be on disk, whatever the server's own setting is"
    }
  ),
  mutant(
    "toss-key-without-status",
    "approval and cancellation of one payment are one event",
    "src/infra/providers/TossEvent.ts",
    [
      '    textAt(event.subject, "paymentKey"),\n    textAt(event.subject, "status"),\n',
      '    textAt(event.subject, "paymentKey"),\n'
    ],
    {
      file: TOSS,
      test: "what happened to the payment: pkey_pk1:DONE:t1",
      stands: "what happened to the payment"
    }
  ),
  mutant(
    "toss-first-signature-only",
    "of Toss's two signatures, sent while keys are changed, one is read",
    "src/infra/providers/TossSignature.ts",
    ["return values.some((value) => timingSafeEqual(mac, value))", "return timingSafeEqual(mac, values[0]!)"],
    { file: TOSS, test: "21 the second of two values: accepted", stands: "21 the second of two values" }
  ),
  mutant(
    "toss-answer-of-another",
    "Toss's answer about another payment is believed",
    "src/infra/providers/TossApi.ts",
    [
      "if (payment === undefined || textAt(payment, name.field) !== name.value) return",
      "if (payment === undefined) return"
    ],
    {
      file: TOSS_FACTS,
      test: "an answer about another payment: world provider_unavailable",
      stands: "an answer about another payment"
    }
  ),
  mutant(
    "paypal-any-algorithm",
    "the header names the algorithm",
    "src/infra/providers/PayPalTransmission.ts",
    ['if (algorithm !== "SHA256withRSA") return', "if (algorithm === undefined) return"],
    { file: PAYPAL, test: '38 algorithm "none"', stands: "38 algorithm" }
  ),
  mutant(
    "verified-after-a-parse",
    "the signature is checked against the body as JSON writes it",
    "src/infra/providers/PayPalSignature.ts",
    [
      "const crc = crc32(delivery.body)",
      `const parsed = (text: string) => {
    try {
      return JSON.stringify(JSON.parse(text))
    } catch {
      return text
    }
  }
  const crc = crc32(Buffer.from(parsed(Buffer.from(delivery.body).toString())))`
    ],
    {
      file: PAYPAL,
      test: "73 two ids"
    }
  ),
  mutant(
    "certificate-host-by-suffix",
    "a certificate comes from any host that ends like PayPal's",
    "src/infra/providers/PayPalCertificateUrl.ts",
    [").map(literally)", ').map((origin) => literally(origin).replace("https://", "https://[^/]*"))'],
    {
      file: "test/infra/providers/PayPalCertificateUrl.test.ts",
      test: "refuses 46 a subdomain",
      stands: "46 a subdomain"
    }
  ),
  mutant(
    "certificate-issuer-by-name",
    "an authority's name is believed without its signature",
    "src/infra/providers/PayPalCertificateChain.ts",
    [
      "anchor.ca && leaf.checkIssued(anchor) && leaf.verify(anchor.publicKey)",
      "anchor.ca && leaf.checkIssued(anchor)"
    ],
    {
      file: PAYPAL,
      test: "an authority of the same name with another key: VerificationUnavailable certificate_issuer_unknown",
      stands: "an authority of the same name with another key"
    }
  ),
  mutant(
    "redirects-followed",
    "a question to a provider goes wherever the answer points",
    "src/infra/providers/ProviderHttp.ts",
    ['redirect: "manual"', 'redirect: "follow"'],
    { file: PAYPAL, test: "51 a redirect is not followed, not even to PayPal's own certificate" }
  ),
  mutant(
    "test-switches-in-production",
    "a variable for tests moves the provider's certificates without a word that allows it",
    "src/infra/config/Settings.ts",
    ["  if (given && !allowed)\n", "  if (given && !allowed && name === '')\n"],
    { file: "test/infra/config/Settings.test.ts", test: "certificates from elsewhere" }
  ),
  mutant(
    "weak-secrets",
    "a secret of any length will do",
    "src/infra/config/Settings.ts",
    ["text.length >= least && text.trim() === text", "text.length <= 1_000 * least"],
    { file: "test/infra/config/Settings.test.ts", test: "a short admin token" }
  ),
  mutant(
    "no-body-limit",
    "a body is read whatever its size",
    "src/http/readBody.ts",
    ["if (size > limit) {", "if (size < 0) {"],
    {
      file: INGRESS,
      test: "enforces the size limit while reading, chunked or declared, and takes what is just within"
    }
  ),
  mutant(
    "announced-size-not-looked-at",
    "a size that is announced is waited for",
    "src/http/readBody.ts",
    ["if (declared !== undefined && Number(declared) > limit) return", 'if (declared === "none") return'],
    { file: INGRESS, test: "refuses a size that is announced over the limit before any of it is sent" }
  ),
  mutant(
    "no-retry-after",
    "503 does not say when to come again",
    "src/http/Ingress.ts",
    [
      'if ("retryAfter" in answer && answer.retryAfter !== undefined) headers["retry-after"] = answer.retryAfter\n',
      "\n"
    ],
    {
      file: "test/faults/Database.test.ts",
      test: "a database that refuses is answered 503 with Retry-After, without a claim, and 200 as soon as it serves again"
    }
  ),
  mutant(
    "no-limit-in-flight",
    "requests queue up without bound",
    "src/http/Ingress.ts",
    [
      "workers.inFlight(provider.endpoint.name)) >= options.maxInFlight",
      "workers.inFlight(provider.endpoint.name)) < 0"
    ],
    {
      file: "test/faults/Flood.test.ts",
      test: "one endpoint whose provider is slow leaves the other its places"
    }
  ),
  mutant(
    "admin-token-not-compared",
    "any token opens the admin API",
    "src/http/Admin.ts",
    ["if (!isToken(Redacted.value(credential))) return", 'if (Redacted.value(credential) === "") return'],
    { file: "test/http/Admin.test.ts", test: "no route answers without it, or with another one" }
  ),
  mutant(
    "redrive-takes-a-live-claim",
    "a person's re-drive takes an event away from its worker",
    "src/infra/postgres/redriveStatement.ts",
    [
      "const ONE = redrive(\"e.status = 'failed'\", true)",
      "const ONE = redrive(\"e.status IN ('failed', 'processing')\", true)"
    ],
    {
      file: "test/infra/postgres/Events.test.ts",
      test: "what is done, in work or unknown is refused by name, and nothing changes"
    }
  ),
  mutant(
    "unpublished-log-dropped",
    "retention does not ask what the relay has still to read",
    "src/infra/postgres/dropLogStatement.ts",
    [
      "WHERE confirmed_at IS NOT NULL ORDER BY batch DESC LIMIT 1), '0'::xid8))",
      "WHERE false), '18446744073709551615'::xid8))"
    ],
    {
      file: RETENTION,
      test: "are dropped when old, published and without open streams; the audit knows the horizon"
    }
  ),
  mutant(
    "log-of-open-events-dropped",
    "retention drops the log of an event that is not done",
    "src/infra/postgres/dropLogStatement.ts",
    ["WHERE e.status IN ('processing', 'failed')\n", "WHERE false\n"],
    { file: RETENTION, test: "stay while a stream in them is open" }
  ),
  mutant(
    "new-body-swept",
    "the sweep of bodies goes by the log alone, and takes the body of a key that is claimed anew",
    "src/infra/postgres/retentionStatements.ts",
    ["AND e.status = 'done' AND e.changed_at < o.cutoff", ""],
    {
      file: RETENTION,
      test: "a key that was purged and is claimed anew keeps its body, whatever the log says of the old one"
    }
  ),
  mutant(
    "rotation-does-not-reseal",
    "a rotation of keys writes the new key's name and leaves the old ciphertext",
    "src/infra/postgres/rotateStatements.ts",
    [
      "UPDATE webhook_payloads p SET key_id = $1, sealed = decode(r.sealed, 'base64')",
      "UPDATE webhook_payloads p SET key_id = $1"
    ],
    {
      file: "test/infra/postgres/Rotation.test.ts",
      test: "seals every body anew under the first key, which alone opens them afterwards"
    }
  ),
  mutant(
    "rotation-overwrites",
    "a rotation writes over a body that changed meanwhile",
    "src/infra/postgres/rotateStatements.ts",
    ["= decode(v.before, 'base64')", "<> decode(v.before, 'escape')"],
    {
      file: "test/infra/postgres/Rotation.test.ts",
      test: "a body that was purged, or replaced by another one, meanwhile is left as it is"
    }
  ),
  mutant(
    "audit-ignores-contents",
    "the audit counts, and does not compare",
    "src/infra/audit/compareSides.ts",
    ["return one.content === right[0]!.content\n", "return one.content.length >= 0\n"],
    {
      file: "test/infra/audit/Audit.test.ts",
      test: "names each kind of difference with its key, and nothing else"
    }
  ),
  mutant(
    "moved-partition-left-out",
    "a transaction is committed, though a partition has not answered",
    "src/infra/kafka/Producer.ts",
    ['?? fail("LEADER_MOVED")', "?? -1n"],
    { file: "test/fire/Leaders.test.ts", test: "to a broker that has answered: its records are not left out" }
  ),
  mutant(
    "moved-partition-twice",
    "records may be sent again under other sequence numbers",
    "src/infra/kafka/KafkajsProduce.ts",
    ["      refuseSecond(batch, { producerId, producerEpoch, firstSequence })\n", ""],
    {
      file: "test/fire/Leaders.test.ts",
      test: "to one that has not answered yet: the others are not sent twice"
    }
  ),
  mutant(
    "replaced-topic-written-to",
    "a topic that was deleted and made again is taken for the old one",
    "src/infra/kafka/Producer.ts",
    ['      if (offset < (ends.get(partition) ?? 0n)) fail("TOPIC_REPLACED")\n', ""],
    {
      file: "test/infra/kafka/TopicReplaced.test.ts",
      test: "made again by somebody, with other settings: nothing is written into it before a rebase"
    }
  ),
  mutant(
    "topic-ends-not-compared",
    "a topic that ends before where it ended is gone on with",
    "src/infra/kafka/Evidence.ts",
    ["now[topic] < (least?.[topic] ?? 0)", "now[topic] < 0"],
    {
      file: "test/infra/kafka/Evidence.test.ts",
      test: "a topic that ends before where it ended, or holds too few records of the newest part, is another one"
    }
  ),
  mutant(
    "late-rows-by-position",
    "the search for late rows walks the whole log",
    "src/infra/postgres/LogReader.ts",
    ["`SELECT min(l.position + 0) AS lowest", "`SELECT min(l.position) AS lowest"],
    {
      file: "test/infra/postgres/LogReader.test.ts",
      test: "does not walk the log for late rows where a large difference has none"
    }
  )
]
