import { Effect, Result } from "effect"
import { DedupKey, ofConflict } from "../../src/domain/DedupKey.ts"
import { EndpointName } from "../../src/domain/Endpoint.ts"
import type { Claim, ClaimAnswer } from "../../src/domain/GateStore.ts"
import { failureOf } from "../../src/testing/perform.ts"
import { type EventId, eventIds, type FactId, type Round, type Step } from "../../src/testing/Step.ts"
import { delivery, fact, proving } from "../support/Store.ts"
import { gist } from "./gist.ts"
import type { Left, LookAside } from "./lookAside.ts"
import type { Gate } from "./openGate.ts"
import type { Heard, HeardRound, Transcript } from "./transcript.ts"

const BODIES = { a: "body of a", b: "body of b", "a~": "another body of a", q: "no object" }
const KEYS: Readonly<Record<EventId, DedupKey>> = {
  a: DedupKey.make("ev_a"),
  b: DedupKey.make("ev_b"),
  "a~": ofConflict(DedupKey.make("ev_a"), delivery("ev_a", BODIES["a~"]).delivery.hash),
  q: DedupKey.make("raw_q")
}
const idOf = (key: string) => eventIds.find((id) => KEYS[id] === key) ?? key

const claimedAs = ({ because, failures, fence }: Claim) =>
  `claimed under fence ${fence} (${because}, ${failures} failures)`

const told = (answer: ClaimAnswer) =>
  answer._tag === "Claimed"
    ? claimedAs(answer.claim)
    : answer._tag === "Duplicate"
      ? `duplicate, ${answer.state}`
      : answer._tag.toLowerCase()

const factOf = (id: FactId) => fact(id.split(" ")[0]!, id.split(" ")[1]!)

const ERRORS: Readonly<Record<string, string>> = {
  ClaimLost: "claim lost",
  EffectConflict: "effect conflict",
  EventMissing: "there is none"
}
/** The answer, or the error in the words of the model. */
const heard = <E extends { readonly _tag: string }>(self: Effect.Effect<string, E>) =>
  Effect.map(Effect.result(self), (result) => {
    if (Result.isSuccess(result)) return result.success
    const error = result.failure as { _tag: string; code?: string; state?: string }
    return error._tag === "ActRefused"
      ? `refused, ${error.state}`
      : (ERRORS[error._tag] ?? `${error._tag} ${error.code ?? ""}`)
  })

const NOTES = new Set([
  "DuplicateSeen",
  "PayloadMismatch",
  "BillingEventRecorded",
  "EffectAlreadyRecorded",
  "EffectConflict",
  "Forgery"
])

const noteIn = (type: string, data: Left["log"][number]["data"]) =>
  type === "DuplicateSeen"
    ? `${type} ${data.state}`
    : type === "BillingEventRecorded"
      ? `${type} ${data.fact?.effect_key}`
      : type === "EffectAlreadyRecorded"
        ? `${type} ${data.effect_key}`
        : type

const read = (left: Left): Omit<Transcript, "rounds"> => {
  const changes: Record<string, Array<string>> = {}
  const notes: Record<string, Record<string, number>> = {}
  for (const { data, key, type } of left.log) {
    const id = idOf(key)
    if (NOTES.has(type)) {
      const note = noteIn(type, data)
      notes[id] ??= {}
      notes[id][note] = (notes[id][note] ?? 0) + (type === "DuplicateSeen" ? Number(data.count) : 1)
    } else {
      changes[id] ??= []
      changes[id].push(gist(type, data))
    }
  }
  const rows = Object.fromEntries(left.rows.map(({ key, ...row }) => [idOf(key), row]))
  return { rows, changes, notes, booked: left.booked }
}

/** Plays a history through real stores, at an endpoint of its own, and hears what is answered. */
export const playReal = Effect.fnUntraced(function* (
  aside: LookAside,
  gates: Readonly<Record<"A" | "B" | "C", Gate>>,
  name: string,
  rounds: ReadonlyArray<Round>
) {
  const endpoint = { name: EndpointName.make(name), kind: "paypal", environment: "simulated" } as const
  const claims = new Map<EventId, Array<Claim>>()
  const claimsOf = (id: EventId) => claims.get(id) ?? []
  const gave = (id: EventId, claim: Claim) => claims.set(id, [...claimsOf(id), claim])
  let seenA = false

  const request = (id: EventId, proves: ReadonlyArray<FactId> | null) => {
    const made = delivery(id === "a~" ? KEYS.a : KEYS[id], BODIES[id], { quarantine: id === "q" })
    const proven = proves === null ? {} : { proven: proving(...proves.map(factOf)) }
    return { ...made, delivery: { ...made.delivery, endpoint }, identity: { ...made.identity, ...proven } }
  }

  const look = (step: Step & { _tag: "Look" }) =>
    Effect.map(gates[step.gate].store.take(endpoint, step.lane, 10), ({ due, parked }) => {
      const found = due.map(({ claim }) => ({ id: idOf(claim.dedupKey) as EventId, claim }))
      found.sort((one, other) => eventIds.indexOf(one.id) - eventIds.indexOf(other.id))
      for (const { claim, id } of found) gave(id, claim)
      const parts = [
        ...found.map(({ claim, id }) => `${id} ${claimedAs(claim)}`),
        ...(parked > 0 ? [`${parked} parked`] : [])
      ]
      return parts.length === 0 ? "nothing" : parts.join(", ")
    })

  const person = (step: Step & { _tag: "Redrive" | "Dismiss" }) => {
    const { events } = gates.A
    const act = step._tag === "Redrive" ? events.redrive : events.dismiss
    const name = { endpoint: endpoint.name, dedupKey: KEYS[step.event] }
    return Effect.as(act(name, { by: "ann", reason: "looked into it" }), "done")
  }

  const make = (step: Step): Effect.Effect<Heard> => {
    const hear = <E extends { readonly _tag: string }>(self: Effect.Effect<string, E>, fence?: number) =>
      Effect.map(heard(self), (answer): Heard => ({ step, fence, answer }))
    if (step._tag === "Look") return hear(look(step))
    if (step._tag === "Redrive" || step._tag === "Dismiss") return hear(person(step))
    if (step._tag === "Deliver") {
      if (step.event === "a~" && !seenA) return Effect.succeed({ step, fence: undefined, answer: "-" })
      return hear(
        Effect.map(gates[step.gate].store.claim(request(step.event, step.proves)), (answer) => {
          if (answer._tag === "Claimed") gave(step.event, answer.claim)
          return told(answer)
        })
      )
    }
    const claim = claimsOf(step.event).at(-1 - step.claim)
    if (claim === undefined) return Effect.succeed({ step, fence: undefined, answer: "-" })
    const { store } = gates[step.gate]
    switch (step._tag) {
      case "Renew":
        return hear(Effect.as(store.renew(claim), "held"), claim.fence)
      case "Release":
        return hear(Effect.as(store.release(claim), "released"), claim.fence)
      case "Fail":
        return hear(store.fail(claim, failureOf(step)), claim.fence)
      case "Complete":
        return hear(Effect.as(store.complete(claim, proving(...step.facts.map(factOf))), "done"), claim.fence)
    }
  }

  const played: Array<HeardRound> = []
  for (const { steps, waitMinutes } of rounds) {
    if (waitMinutes > 0 && claims.size > 0) yield* aside.wait({ name, minutes: waitMinutes })
    // Which claim a step presents is settled before any of them is made.
    const made = yield* Effect.all(steps.map(make), { concurrency: "unbounded" })
    seenA ||= steps.some((step) => step._tag === "Deliver" && step.event === "a")
    played.push({ waitMinutes, heard: made })
  }
  return { rounds: played, ...read(yield* aside.left(name)) } satisfies Transcript
})
