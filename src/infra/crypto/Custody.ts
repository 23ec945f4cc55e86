import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { Context, Effect, Layer, Redacted, Schema } from "effect"

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

/** Keeps bodies: AES-256-GCM under a key derived by HKDF from a master key and the row's salt, bound to the row. */
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
const INFO = "oncegate payload v1"

/** A blob moved to another row does not open there. */
const bound = (provider: string, dedupKey: string) => Buffer.from(`${provider}\n${dedupKey}`, "utf8")

const derive = (master: Redacted.Redacted<Uint8Array>, salt: Uint8Array) =>
  Buffer.from(hkdfSync("sha256", Redacted.value(master), salt, INFO, 32))

/** The first key seals, all of them open. */
export const make = (keys: readonly [MasterKey, ...Array<MasterKey>]) => {
  const [first] = keys
  const byId = new Map(keys.map(({ id, key }) => [id, key]))
  return Custody.of({
    seal: (provider, dedupKey, body) => {
      const random = randomBytes(SALT + NONCE)
      const cipher = createCipheriv(
        "aes-256-gcm",
        derive(first.key, random.subarray(0, SALT)),
        random.subarray(SALT)
      )
      cipher.setAAD(bound(provider, dedupKey))
      return {
        keyId: first.id,
        bytes: Buffer.concat([random, cipher.update(body), cipher.final(), cipher.getAuthTag()])
      }
    },
    open: (provider, dedupKey, { keyId, bytes }) => {
      const master = byId.get(keyId)
      if (master === undefined) return Effect.fail(new MasterKeyMissing({ keyId }))
      return Effect.try({
        try: () => {
          const decipher = createDecipheriv(
            "aes-256-gcm",
            derive(master, bytes.subarray(0, SALT)),
            bytes.subarray(SALT, SALT + NONCE)
          )
          decipher.setAAD(bound(provider, dedupKey))
          decipher.setAuthTag(bytes.subarray(-TAG))
          return Buffer.concat([decipher.update(bytes.subarray(SALT + NONCE, -TAG)), decipher.final()])
        },
        catch: () => new CustodyBroken()
      })
    }
  })
}

export const layer = (keys: readonly [MasterKey, ...Array<MasterKey>]) => Layer.succeed(Custody, make(keys))
