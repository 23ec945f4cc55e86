import { generateKeyPairSync } from "node:crypto"
import * as Arbitrary from "effect/Arbitrary"
import { makeChain } from "../infra/simulator/Certificates.ts"
import { makeSigner, type PayPalSigner, transmissions } from "../infra/simulator/PayPalTransmission.ts"
import * as PayPalWebhooks from "../infra/simulator/PayPalWebhooks.ts"
import type { SeededRandom } from "../infra/simulator/SeededRandom.ts"
import * as World from "../infra/simulator/World.ts"
import {
  type Break,
  type BrokenWebhook,
  brokenBy,
  interleaved,
  seeds,
  type ValidWebhook,
  valid,
  type Webhook
} from "./Webhook.ts"

/** A PayPal of its own: with a certificate authority, a signing certificate, and everything that it may send. */
export interface PayPalParty {
  /** What a gate is configured with: `PAYPAL_WEBHOOK_ID`, `PAYPAL_CA_FILE`, and where the certificate is fetched. */
  readonly webhookId: string
  readonly caPem: string
  readonly certificateUrl: string
  /** What must be served under that URL. */
  readonly certificatePem: string
  readonly valid: Arbitrary.Arbitrary<ValidWebhook>
  readonly broken: Arbitrary.Arbitrary<BrokenWebhook>
  /** A series of deliveries: some events, each once to four times, in any order. */
  readonly deliveries: Arbitrary.Arbitrary<ReadonlyArray<ValidWebhook>>
}

export interface PayPalPartyOptions {
  /** Where the certificate is served: `http://127.0.0.1:1234` for a server of your own. PayPal's sandbox unless given. */
  readonly origin?: string
  /** Time of the transmissions, milliseconds. */
  readonly now?: number
}

const SIGNATURE = "paypal-transmission-sig"
const ID = "paypal-transmission-id"
const TIME = "paypal-transmission-time"
const URL_HEADER = "paypal-cert-url"
const DAY = 86_400_000

const header = (
  name: string,
  change: (value: string, random: SeededRandom) => string | ReadonlyArray<string>
) =>
  ({
    status: 401,
    make: ({ body, headers }, random) => ({
      body,
      headers: { ...headers, [name]: change(String(headers[name]), random) }
    })
  }) satisfies Break

const flipped = (base64: string, random: SeededRandom) => {
  const bytes = Buffer.from(base64, "base64")
  bytes[random.int(0, bytes.length - 1)]! ^= 1 << random.int(0, 7)
  return bytes.toString("base64")
}

const breaksOf = (signer: PayPalSigner, now: number): Readonly<Record<string, Break>> => {
  const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
  const signed = (
    status: Break["status"],
    as: PayPalSigner,
    bodyOf: (body: Uint8Array) => Uint8Array = (body) => body,
    at = now
  ): Break => ({
    status,
    make: ({ body }, random) => {
      const changed = bodyOf(body)
      return { body: changed, headers: transmissions(as, random, changed, 1, at)[0]! }
    }
  })
  const text = (words: string) => signed(200, signer, () => Buffer.from(words))
  return {
    "no signature": {
      status: 401,
      make: ({ body, headers: { [SIGNATURE]: _, ...headers } }) => ({ body, headers })
    },
    "an empty signature": header(SIGNATURE, () => ""),
    "a signature with one bit flipped": header(SIGNATURE, flipped),
    "a signature cut short": header(SIGNATURE, (value, random) => value.slice(0, 4 * random.int(1, 80))),
    "the signature twice": header(SIGNATURE, (value) => [value, value]),
    "another transmission id": header(ID, (value) => `${value.startsWith("0") ? "1" : "0"}${value.slice(1)}`),
    "two transmission ids": header(ID, (value, random) => [value, random.text("0123456789abcdef", 36)]),
    "another transmission time": header(TIME, () => new Date(now - 60_000).toISOString()),
    "a transmission time that is none": header(TIME, () => "yesterday"),
    "another algorithm": header("paypal-auth-algo", (_, random) =>
      random.pick(["none", "SHA1withRSA", "HS256"])
    ),
    "a certificate of another host": header(
      URL_HEADER,
      (value) => `https://paypal.example${new URL(value).pathname}`
    ),
    "a certificate behind user info": header(URL_HEADER, (value) =>
      value.replace("://", "://api.paypal.com@")
    ),
    "a certificate from the metadata service": header(
      URL_HEADER,
      () => "http://169.254.169.254/latest/meta-data/"
    ),
    "signed with another key": signed(401, { ...signer, privateKey: other }),
    "signed for another webhook": signed(401, { ...signer, webhookId: "WH0THER0000000000" }),
    "signed longer ago than keys are kept": signed(401, signer, undefined, now - 500 * DAY),
    "a body changed after it was signed": {
      status: 401,
      make: ({ body, headers }, random) => {
        const changed = Uint8Array.from(body)
        changed[random.int(0, changed.length - 1)]! ^= 1
        return { body: changed, headers }
      }
    },
    "signed, and a list": text("[]"),
    "signed, and null": text("null"),
    "signed, and empty": text(""),
    "signed, and no JSON": text("event=PAYMENT.CAPTURE.COMPLETED"),
    "signed, and cut short": signed(200, signer, (body) => body.slice(0, -1)),
    "signed, and two documents": signed(200, signer, (body) => Buffer.concat([body, body])),
    "signed, and one name twice": text('{"id":"WH-1","id":"WH-2"}')
  }
}

/** Makes the keys of a PayPal, which takes a moment, and its arbitraries. */
export const makePayPal = async (options: PayPalPartyOptions = {}): Promise<PayPalParty> => {
  const now = options.now ?? Date.now()
  const chain = await makeChain(now)
  const webhookId = "0NCEGATE7ESTING00"
  const signer = makeSigner(
    { privateKeyPem: chain.privateKeyPem, webhookId, certificateId: "CERT-0ce9a7e0-7e571146-00000001" },
    options.origin ?? "https://api.sandbox.paypal.com"
  )
  const told = (random: SeededRandom, count: number, copies: number) =>
    PayPalWebhooks.stories(World.make(random.text("0123456789abcdef", 16)), count, { signer, copies, now })
  const one = (random: SeededRandom) => valid(told(random, 1, 1)[0]![0]!.events[0]!, 0)
  return {
    webhookId,
    caPem: chain.caPem,
    certificateUrl: signer.certificateUrl,
    certificatePem: chain.leafPem,
    valid: Arbitrary.map(seeds, one),
    broken: brokenBy(breaksOf(signer, now), (random): Webhook => one(random)),
    deliveries: Arbitrary.map(seeds, (random) =>
      interleaved(told(random, random.int(1, 4), random.int(1, 4)), random)
    )
  }
}
