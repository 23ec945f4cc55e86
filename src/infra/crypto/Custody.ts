import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes
} from "node:crypto"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { deflate, inflate } from "./deflate.ts"

/** A body as it is stored: salt, nonce, ciphertext and tag in one. */
export interface Sealed {
  readonly keyId: string
  readonly bytes: Buffer
}

/** The master key that a stored body was sealed with is not configured: the event waits until it is. */
export class MasterKeyMissing extends Schema.TaggedError<MasterKeyMissing>()("MasterKeyMissing", {
  keyId: Schema.String
}) {}

/** What is stored under this key is not what was sealed under it. */
export class CustodyBroken extends Schema.TaggedError<CustodyBroken>()("CustodyBroken", {}) {}

export interface MasterKey {
  readonly id: string
  readonly key: Redacted.Redacted<Uint8Array>
}

/** Keeps bodies: deflated, then AES-256-GCM under a key derived by HKDF from a master key and the row's salt, bound to the row. */
export class Custody extends Context.Service<
  Custody,
  {
    readonly seal: (provider: string, dedupKey: string, body: Uint8Array) => Sealed
    readonly open: (
      provider: string,
      dedupKey: string,
      sealed: Sealed
    ) => Effect.Effect<Uint8Array, MasterKeyMissing | CustodyBroken>
  }
>()("oncegate/infra/Custody") {}

const SALT = 16
const NONCE = 12
const TAG = 16
/** Bodies are deflated before they are sealed: less WAL than the time is worth. Those of version 1 were not. */
const DEFLATED = "oncegate payload v2"
const PLAIN = "oncegate payload v1"

/** A blob moved to another row does not open there. */
const bound = (provider: string, dedupKey: string) => Buffer.from(`${provider}\n${dedupKey}`, "utf8")

/** Key objects: handed raw bytes, Node asks of each by an exception whether it is one, for a tenth of the whole time. */
const derive = (master: KeyObject, salt: Uint8Array, info: string) =>
  createSecretKey(Buffer.from(hkdfSync("sha256", master, salt, info, 32)))

/** Throws where these bytes were not sealed so. */
const unsealed = (master: KeyObject, aad: Buffer, bytes: Buffer, info: string) => {
  const decipher = createDecipheriv(
    "aes-256-gcm",
    derive(master, bytes.subarray(0, SALT), info),
    bytes.subarray(SALT, SALT + NONCE)
  )
  decipher.setAAD(aad)
  decipher.setAuthTag(bytes.subarray(-TAG))
  return Buffer.concat([decipher.update(bytes.subarray(SALT + NONCE, -TAG)), decipher.final()])
}

/** The first key seals, all of them open. */
export const make = (keys: readonly [MasterKey, ...Array<MasterKey>]) => {
  const masters = keys.map(({ id, key }) => [id, createSecretKey(Redacted.value(key))] as const)
  const [keyId, first] = masters[0]!
  const byId = new Map(masters)
  return Custody.of({
    seal: (provider, dedupKey, body) => {
      const random = randomBytes(SALT + NONCE)
      const cipher = createCipheriv(
        "aes-256-gcm",
        derive(first, random.subarray(0, SALT), DEFLATED),
        random.subarray(SALT)
      )
      cipher.setAAD(bound(provider, dedupKey))
      return {
        keyId,
        bytes: Buffer.concat([random, cipher.update(deflate(body)), cipher.final(), cipher.getAuthTag()])
      }
    },
    open: (provider, dedupKey, { keyId, bytes }) => {
      const master = byId.get(keyId)
      if (master === undefined) return Effect.fail(new MasterKeyMissing({ keyId }))
      const aad = bound(provider, dedupKey)
      return Effect.try({
        try: () => {
          try {
            return Buffer.from(inflate(unsealed(master, aad, bytes, DEFLATED)))
          } catch {
            return unsealed(master, aad, bytes, PLAIN)
          }
        },
        catch: () => new CustodyBroken()
      })
    }
  })
}

export const layer = (keys: readonly [MasterKey, ...Array<MasterKey>]) => Layer.succeed(Custody, make(keys))
