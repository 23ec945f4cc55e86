import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { makeChain } from "./Certificates.ts"
import { SimulatorFailed } from "./SimulatorFailed.ts"
import { readJson, writePrivate } from "./StateFile.ts"

const Hex64 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u))

/** The keys of the simulated providers: made at the first start, found again at every later one. */
const Stored = Schema.Struct({
  webhookId: Schema.String,
  clientId: Schema.String,
  clientSecret: Schema.String,
  tossSecretKey: Schema.String,
  /** The security keys that the gate is configured with; the first one signs. */
  securityKeys: Schema.NonEmptyArray(Hex64),
  /** Rotated away: still signs the second value of a signature, is unknown to the gate. */
  retiredSecurityKey: Hex64,
  /** Last part of the certificate's address. */
  certificateId: Schema.String,
  caPem: Schema.String,
  leafPem: Schema.String,
  privateKeyPem: Schema.String,
  notAfter: Schema.Finite
})
export type Identity = typeof Stored.Type

const UPPER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
const MIXED = `${UPPER}abcdefghijklmnopqrstuvwxyz`
const secretText = (alphabet: string, length: number) =>
  Array.from(randomBytes(length * 2), (byte) => byte)
    .filter((byte) => byte < 256 - (256 % alphabet.length)) // no letter more likely than another
    .slice(0, length)
    .map((byte) => alphabet[byte % alphabet.length])
    .join("")
const hex = (bytes: number) => randomBytes(bytes).toString("hex")

const newCertificate = async (now: number) => ({
  certificateId: `CERT-${hex(4)}-${hex(4)}-${hex(4)}`,
  ...(await makeChain(now))
})

const newIdentity = async (now: number): Promise<Identity> => ({
  webhookId: secretText(UPPER, 17),
  clientId: `A${secretText(MIXED, 79)}`,
  clientSecret: `E${secretText(MIXED, 79)}`,
  tossSecretKey: `test_sk_${secretText(MIXED, 28)}`,
  securityKeys: [hex(32)],
  retiredSecurityKey: hex(32),
  ...(await newCertificate(now))
})

const identityPath = (stateDir: string) => join(stateDir, "identity.json")
/** What the gate must trust instead of PayPal's own CA. */
export const caPath = (stateDir: string) => join(stateDir, "ca.pem")

const MONTH = 30 * 86_400_000
const unusable = (stateDir: string) => (cause: unknown) =>
  new SimulatorFailed({
    message: `Cannot use the simulator's state folder ${stateDir}: ${cause instanceof Error ? cause.message.split("\n")[0] : "unknown"}`
  })

/** The identity kept in a folder, or undefined where no simulator ever started there. */
export const read = Effect.fnUntraced(function* (stateDir: string) {
  const text = yield* Effect.tryPromise({
    try: () => readJson(identityPath(stateDir)),
    catch: unusable(stateDir)
  })
  return text === undefined
    ? undefined
    : yield* Schema.decodeUnknownEffect(Stored)(text).pipe(Effect.mapError(unusable(stateDir)))
})

/** The identity of a folder; what is missing, or a certificate about to expire, is made now. */
export const load = Effect.fn("Identity.load")(function* (stateDir: string) {
  const kept = yield* read(stateDir)
  const identity = yield* Effect.tryPromise({
    try: async () => {
      const now = Date.now()
      if (kept !== undefined && kept.notAfter - now > MONTH) return kept
      const made = kept === undefined ? await newIdentity(now) : { ...kept, ...(await newCertificate(now)) }
      await writePrivate(identityPath(stateDir), `${JSON.stringify(made, null, 2)}\n`)
      return made
    },
    catch: unusable(stateDir)
  })
  yield* Effect.tryPromise({
    try: () => writePrivate(caPath(stateDir), identity.caPem),
    catch: unusable(stateDir)
  })
  return identity
})
