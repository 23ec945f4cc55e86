import { createHash, generateKeyPair, type KeyObject, randomBytes, sign } from "node:crypto"
import { promisify } from "node:util"
import * as Der from "./Der.ts"

/** Name of PayPal's sandbox signing certificate; a verifier compares it. */
export const SIGNER_NAME = "messageverificationcerts.sandbox.paypal.com"

export interface SigningChain {
  /** Root and intermediate: what a verifier must trust, in one PEM file. */
  readonly caPem: string
  /** The leaf alone: PayPal's endpoint serves no chain. */
  readonly leafPem: string
  readonly privateKeyPem: string
  readonly notAfter: number
}

interface Party {
  readonly name: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const newKeys = promisify(generateKeyPair)
const SHA256_WITH_RSA = () => Der.sequence(Der.objectId("1.2.840.113549.1.1.11"), Der.nothing())

const distinguishedName = (name: string) =>
  Der.sequence(
    Der.set(Der.sequence(Der.objectId("2.5.4.10"), Der.utf8("Oncegate simulator"))),
    Der.set(Der.sequence(Der.objectId("2.5.4.3"), Der.utf8(name)))
  )

const publicKeyInfo = (key: KeyObject) => key.export({ type: "spki", format: "der" })
const keyId = (key: KeyObject) => createHash("sha1").update(publicKeyInfo(key)).digest()

const extension = (id: string, critical: boolean, value: Uint8Array) =>
  Der.sequence(Der.objectId(id), ...(critical ? [Der.yes()] : []), Der.octets(value))

const authority = (pathLength: number) => [
  extension("2.5.29.19", true, Der.sequence(Der.yes(), Der.integer(Uint8Array.of(pathLength)))),
  extension("2.5.29.15", true, Der.bits(Uint8Array.of(0x06), 1)) // keyCertSign, cRLSign
]

const signer = (host: string) => [
  extension("2.5.29.19", true, Der.sequence()),
  extension("2.5.29.15", true, Der.bits(Uint8Array.of(0xa0), 5)), // digitalSignature, keyEncipherment
  extension("2.5.29.37", false, Der.sequence(Der.objectId("1.3.6.1.5.5.7.3.1"))), // serverAuth
  extension("2.5.29.17", false, Der.sequence(Der.implicit(2, Buffer.from(host))))
]

const issue = (subject: Party, issuer: Party, from: number, until: number, extensions: Array<Buffer>) => {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const tbs = Der.sequence(
    Der.explicit(0, Der.integer(Uint8Array.of(2))),
    Der.integer(serial),
    SHA256_WITH_RSA(),
    distinguishedName(issuer.name),
    Der.sequence(Der.time(new Date(from)), Der.time(new Date(until))),
    distinguishedName(subject.name),
    publicKeyInfo(subject.publicKey),
    Der.explicit(
      3,
      Der.sequence(
        ...extensions,
        extension("2.5.29.14", false, Der.octets(keyId(subject.publicKey))),
        extension("2.5.29.35", false, Der.sequence(Der.implicit(0, keyId(issuer.publicKey))))
      )
    )
  )
  const der = Der.sequence(tbs, SHA256_WITH_RSA(), Der.bits(sign("sha256", tbs, issuer.privateKey)))
  const lines = der.toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}

const DAY = 86_400_000

/** A test CA of its own (root, intermediate) and the signing certificate below it, valid for two years. */
export const makeChain = async (now: number): Promise<SigningChain> => {
  const party = async (name: string): Promise<Party> => ({
    name,
    ...(await newKeys("rsa", { modulusLength: 2048 }))
  })
  const [root, intermediate, leaf] = await Promise.all([
    party("Oncegate simulator root CA"),
    party("Oncegate simulator signing CA"),
    party(SIGNER_NAME)
  ])
  const from = now - DAY // a gate whose clock is a little behind accepts it too
  const notAfter = now + 730 * DAY
  return {
    caPem:
      issue(root, root, from, now + 3650 * DAY, authority(1)) +
      issue(intermediate, root, from, now + 1825 * DAY, authority(0)),
    leafPem: issue(leaf, intermediate, from, notAfter, signer(SIGNER_NAME)),
    privateKeyPem: leaf.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfter
  }
}
