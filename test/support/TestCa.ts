import { Buffer } from "node:buffer"
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import * as Der from "../../src/infra/simulator/Der.ts"

/** A leaf certificate with the key that signs under it. */
export interface TestCertificate {
  readonly pem: string
  readonly privateKey: KeyObject
}

export interface IssueOptions {
  /** Common name, and the one alternative name unless `alternativeName` says otherwise. */
  readonly name: string
  /** Null leaves the certificate without alternative names. */
  readonly alternativeName?: string | null
  readonly notBefore: Date
  readonly notAfter: Date
  /** RSA unless it says so. */
  readonly keys?: "ec"
}

/** A certificate authority made at test run: no key of it is ever stored. */
export interface TestCa {
  readonly pem: string
  readonly issue: (options: IssueOptions) => TestCertificate
  /** The same certificate with itself as issuer, as an attacker would make it. */
  readonly selfSigned: (options: IssueOptions) => TestCertificate
}

interface Party {
  readonly name: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const ALGORITHM = Der.sequence(Der.objectId("1.2.840.113549.1.1.11"), Der.nothing())

const newParty = (name: string, keys?: "ec"): Party => ({
  name,
  ...(keys === "ec"
    ? generateKeyPairSync("ec", { namedCurve: "P-256" })
    : generateKeyPairSync("rsa", { modulusLength: 2048 }))
})

const named = (name: string) => Der.sequence(Der.set(Der.sequence(Der.objectId("2.5.4.3"), Der.utf8(name))))

const extension = (id: string, critical: boolean, value: Uint8Array) =>
  Der.sequence(Der.objectId(id), ...(critical ? [Der.yes()] : []), Der.octets(value))

const build = (
  subject: Party,
  issuer: Party,
  dates: Pick<IssueOptions, "notBefore" | "notAfter">,
  extensions: ReadonlyArray<Uint8Array>
) => {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const content = Der.sequence(
    Der.explicit(0, Der.integer(Uint8Array.of(2))),
    Der.integer(serial),
    ALGORITHM,
    named(issuer.name),
    Der.sequence(Der.time(dates.notBefore), Der.time(dates.notAfter)),
    named(subject.name),
    subject.publicKey.export({ type: "spki", format: "der" }),
    Der.explicit(3, Der.sequence(...extensions))
  )
  const der = Der.sequence(content, ALGORITHM, Der.bits(sign("sha256", content, issuer.privateKey)))
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/gu) ?? []
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n")
}

const AUTHORITY = [
  extension("2.5.29.19", true, Der.sequence(Der.yes())),
  extension("2.5.29.15", true, Der.bits(Uint8Array.of(0x06), 1)) // keyCertSign, cRLSign
]

const leafExtensions = ({ alternativeName, name }: IssueOptions) => [
  extension("2.5.29.19", true, Der.sequence()),
  ...(alternativeName === null
    ? []
    : [extension("2.5.29.17", false, Der.sequence(Der.implicit(2, Buffer.from(alternativeName ?? name))))])
]

const YEARS = { notBefore: new Date("2010-01-01T00:00:00Z"), notAfter: new Date("2049-01-01T00:00:00Z") }

export const makeTestCa = (name = "Oncegate test CA", years = YEARS): TestCa => {
  const ca = newParty(name)
  const issuedBy = (issuer: Party | undefined, options: IssueOptions): TestCertificate => {
    const leaf = newParty(options.name, options.keys)
    return { pem: build(leaf, issuer ?? leaf, options, leafExtensions(options)), privateKey: leaf.privateKey }
  }
  return {
    pem: build(ca, ca, years, AUTHORITY),
    issue: (options) => issuedBy(ca, options),
    selfSigned: (options) => issuedBy(undefined, options)
  }
}
