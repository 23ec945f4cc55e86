// Makes one file of deliveries, as a process of its own: an RSA signature costs half a millisecond.
// Arguments: folder of the simulator's state, pool as JSON, number of the chunk, deliveries in it, file to write.
import { randomBytes } from "node:crypto"
import { closeSync, openSync, renameSync, writeSync } from "node:fs"
import { Effect } from "effect"
import * as Identity from "../../src/infra/simulator/Identity.ts"
import { makeSigner, transmissions } from "../../src/infra/simulator/PayPalTransmission.ts"
import * as PayPalWebhooks from "../../src/infra/simulator/PayPalWebhooks.ts"
import * as TossWebhooks from "../../src/infra/simulator/TossWebhooks.ts"
import * as World from "../../src/infra/simulator/World.ts"
import { nameOf, type Pool } from "./Kind.ts"
import type { Prepared } from "./Prepared.ts"

const [stateDir, poolText, chunk, count, file] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string
]
const pool = JSON.parse(poolText) as Pool
const identity = await Effect.runPromise(Identity.load(stateDir))
const world = World.make(`bench/${nameOf(pool)}/${chunk}`)
const now = Date.now()
const signer = makeSigner(identity, "")

/** The same event with a note that brings its body to the size. */
const padded = (body: Buffer) => {
  if (body.length >= pool.bytes) return body
  const event = JSON.parse(body.toString("utf8")) as { resource: Record<string, unknown> }
  // Not all alike: what compresses well would flatter.
  event.resource.note_to_payer = ""
  const missing = pool.bytes - Buffer.byteLength(JSON.stringify(event))
  event.resource.note_to_payer = randomBytes(Math.max(0, missing))
    .toString("base64url")
    .slice(0, Math.max(0, missing))
  return Buffer.from(JSON.stringify(event), "utf8")
}

const broken = (signature: string) => `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`

const paypal = (): Prepared => {
  const [event] = PayPalWebhooks.oneCapture(world, { signer, copies: 0, now }).events
  const body = padded(event!.body)
  const { "paypal-cert-url": _, ...headers } = transmissions(signer, world, body, 1, now)[0]!
  const key = event!.dedupKey
  const delivery = {
    id: key.slice(3),
    endpoint: "paypal",
    key,
    headers,
    body: body.toString("utf8")
  } as const
  return pool.kind === "paypal"
    ? delivery
    : {
        ...delivery,
        headers: { ...headers, "paypal-transmission-sig": broken(headers["paypal-transmission-sig"]) },
        refused: true
      }
}

const toss = (): Prepared & { readonly payment: unknown } => {
  const act = TossWebhooks.oneCard(world, {
    signer: { current: identity.securityKeys[0], retired: identity.retiredSecurityKey },
    copies: 1,
    now
  })
  const [event] = act.events
  return {
    id: event!.dedupKey.slice(3),
    endpoint: "toss",
    key: event!.dedupKey,
    headers: event!.copies[0]!,
    body: event!.body.toString("utf8"),
    payment: act.payments[0]
  }
}

// Beside, then one rename: what was cut short does not look whole.
const draft = openSync(`${file}.new`, "w", 0o600)
for (let made = 0; made < Number(count); made++)
  writeSync(draft, `${JSON.stringify(pool.kind === "toss" ? toss() : paypal())}\n`)
closeSync(draft)
renameSync(`${file}.new`, file)
