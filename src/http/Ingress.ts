import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Context, Effect, Exit, type Fiber, Layer, Metric } from "effect"
import { alarm } from "../domain/Alarm.ts"
import { claim as claimEvent } from "../domain/claim.ts"
import type { Delivery } from "../domain/Delivery.ts"
import { failpoint } from "../domain/Failpoint.ts"
import type { GateStore, StoreUnavailable } from "../domain/GateStore.ts"
import { type Provider, Providers } from "../domain/Provider.ts"
import type { Settled } from "../domain/process.ts"
import { RequestHash } from "../domain/RequestHash.ts"
import { Workers } from "../domain/Workers.ts"
import * as Answers from "./Answers.ts"
import { headersOf } from "./headersOf.ts"
import * as Problems from "./Problems.ts"
import { readBody } from "./readBody.ts"

export interface IngressOptions {
  readonly maxBodyBytes: number
  /** Requests at work at once, of each endpoint; past it 503 at once, so that no queue grows without bound. */
  readonly maxInFlight: number
  readonly answerDeadlineMs: number
  readonly failureAnswer: 200 | 500
}

/** The webhook route: bytes in, one program, one answer out. */
export class Ingress extends Context.Service<
  Ingress,
  {
    /** Answers the request if its path is a webhook's; false where it is not. */
    readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean
    /** From now on not ready, and every answer asks for its connection to be closed. */
    readonly drain: () => void
    readonly isDraining: () => boolean
    readonly inFlight: () => number
  }
>()("oncegate/http/Ingress") {}

const webhooks = Metric.counter("oncegate_webhooks_total", {
  description: "Webhook requests, by endpoint and answer.",
  incremental: true
})
/** Counters by endpoint and answer: each is put together once, for all requests that end so. */
const counters = new Map<string, typeof webhooks>()
const counterOf = (endpoint: string, answer: string) => {
  const name = `${endpoint}\n${answer}`
  const known = counters.get(name)
  if (known !== undefined) return known
  const made = Metric.withAttributes(webhooks, { endpoint, answer })
  counters.set(name, made)
  return made
}
const PATH = "/webhooks/"
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** JSON in UTF-8 is all that providers send; a content encoding would make the bytes others than the signed ones. */
const isJson = ({ headers }: IncomingMessage) =>
  /^application\/json\s*(;|$)/i.test(headers["content-type"] ?? "") &&
  (headers["content-encoding"] ?? "identity").toLowerCase() === "identity"

/** The result of the attempt, or nothing at the deadline: the attempt goes on. */
const settledWithin = (fiber: Fiber.Fiber<Settled, StoreUnavailable>, ms: number) =>
  Effect.callback<Settled | undefined>((resume) => {
    const timer = setTimeout(() => resume(Effect.undefined), ms)
    fiber.addObserver((exit) => {
      clearTimeout(timer)
      resume(Effect.succeed(Exit.isSuccess(exit) ? exit.value : undefined))
    })
  })

const make = Effect.fnUntraced(function* (options: IngressOptions) {
  const providers = yield* Providers
  const workers = yield* Workers
  const context = yield* Effect.context<GateStore>()
  const fork = Effect.runForkWith(context)
  let inFlight = 0
  const inFlightOf = new Map<Provider, number>()
  const count = (provider: Provider, by: number) => {
    inFlight += by
    inFlightOf.set(provider, (inFlightOf.get(provider) ?? 0) + by)
  }
  let draining = false

  const answerOf = Effect.fnUntraced(function* (
    provider: Provider,
    delivery: Delivery,
    trace: string | null
  ) {
    const { answer } = yield* claimEvent(provider, delivery, trace)
    switch (answer._tag) {
      case "Duplicate":
        yield* Effect.logDebug("WEBHOOK_DEDUP_DUPLICATE")
        yield* Effect.annotateLogs(Effect.logInfo("WEBHOOK_ALREADY_PROCESSED"), {
          event: "WEBHOOK_ALREADY_PROCESSED",
          state: answer.state
        })
        return Answers.duplicate(answer.state)
      case "Conflict":
        yield* alarm("payload_mismatch", "a second body came under a known key: it is parked, look at both")
        return Answers.duplicate("conflict")
      case "Quarantined":
        yield* alarm("quarantined", "a verified body is no JSON object: it is kept, look at it")
        return Answers.quarantined
      case "Completed":
        yield* Effect.annotateLogs(Effect.logDebug("WEBHOOK_DEDUP_ACQUIRED"), {
          event: "WEBHOOK_DEDUP_ACQUIRED",
          fence: 1
        })
        return Answers.settled("processed", options.failureAnswer)
      case "Claimed": {
        const event =
          answer.claim.because === "first" ? "WEBHOOK_DEDUP_ACQUIRED" : "WEBHOOK_DEDUP_RETRY_RECLAIMED"
        yield* Effect.annotateLogs(Effect.logDebug(event), { event, fence: answer.claim.fence })
        const settled = yield* settledWithin(
          workers.start(provider, answer.claim, delivery.body),
          options.answerDeadlineMs
        )
        return settled === undefined ? Answers.accepted : Answers.settled(settled, options.failureAnswer)
      }
    }
  })

  /** Every way a request can end, as an answer. Nothing of the request goes into it. */
  const answered = (provider: Provider, delivery: Delivery, trace: string | null) =>
    answerOf(provider, delivery, trace).pipe(
      Effect.catchTags({
        SignatureInvalid: ({ reason }) =>
          (reason === "forged"
            ? alarm(
                "forgery",
                "one transmission came with two bodies of the same CRC: the second was refused"
              )
            : Effect.annotateLogs(Effect.logWarning(Problems.signatureInvalid.code), { reason })
          ).pipe(Effect.as(Problems.signatureInvalid)),
        PayloadInvalid: ({ reason }) =>
          Effect.as(
            Effect.annotateLogs(Effect.logWarning(Problems.payloadInvalid.code), { reason }),
            Problems.payloadInvalid
          ),
        VerificationUnavailable: ({ reason }) =>
          Effect.as(
            alarm("verification_unavailable", "a request could be neither verified nor refused", { reason }),
            Problems.unavailable
          ),
        StoreUnavailable: ({ code }) =>
          Effect.as(
            Effect.annotateLogs(Effect.logError(Problems.unavailable.code), { error_code: code }),
            Problems.unavailable
          )
      }),
      Effect.catchCause((cause) =>
        Effect.as(Effect.logError("an unexpected fault", cause), Problems.unavailable)
      )
    )

  const work = Effect.fnUntraced(function* (provider: Provider, delivery: Delivery, trace: string | null) {
    yield* Effect.annotateLogs(Effect.logInfo("WEBHOOK_RECEIVED"), {
      event: "WEBHOOK_RECEIVED",
      payload_size: delivery.body.length
    })
    yield* failpoint("ingress.received")
    const answer = yield* answered(provider, delivery, trace)
    yield* failpoint("answer.before")
    const name = "name" in answer ? answer.name : answer.code.toLowerCase()
    yield* Metric.update(counterOf(provider.endpoint.name, name), 1)
    return answer
  })

  const send = (response: ServerResponse, answer: Answers.Answer) => {
    if (response.headersSent || response.destroyed) return
    const headers: Record<string, string | number> = {
      "content-type": "name" in answer ? "application/json" : "application/problem+json",
      "content-length": Buffer.byteLength(answer.body)
    }
    if ("retryAfter" in answer && answer.retryAfter !== undefined) headers["retry-after"] = answer.retryAfter
    if (answer.status === 405) headers.allow = "POST"
    if (draining || answer.status === 413) headers.connection = "close"
    response.writeHead(answer.status, headers).end(answer.body)
  }

  /** Refused before any byte of the body is looked at; what still comes of it is thrown away. */
  const refuse = (request: IncomingMessage, response: ServerResponse, problem: Problems.Problem) => {
    request.resume()
    send(response, problem)
    return true
  }

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? "").split("?", 1)[0]!
    if (!path.startsWith(PATH)) return false
    const provider = providers.get(path.slice(PATH.length))
    if (provider === undefined) return refuse(request, response, Problems.unknownEndpoint)
    if (request.method !== "POST") return refuse(request, response, Problems.methodNotAllowed)
    if (!isJson(request)) return refuse(request, response, Problems.unsupportedType)
    // Of each endpoint by itself: one slow provider must not have the places of the others.
    if (
      Math.max(inFlightOf.get(provider) ?? 0, workers.inFlight(provider.endpoint.name)) >= options.maxInFlight
    )
      return refuse(request, response, Problems.overloaded)
    count(provider, 1)
    readBody(request, options.maxBodyBytes, (body) => {
      if (typeof body === "string") {
        count(provider, -1)
        if (body === "too_large") {
          send(response, Problems.tooLarge)
          request.resume()
        }
        return
      }
      const hash = RequestHash.make(createHash("sha256").update(body).digest("hex"))
      const headers = headersOf(request.rawHeaders)
      const delivery: Delivery = { endpoint: provider.endpoint, headers, body, hash }
      // A caller may not choose our trace; its own is kept beside the event, where it has the right form.
      const { traceparent } = request.headers
      const trace = typeof traceparent === "string" && TRACEPARENT.test(traceparent) ? traceparent : null
      // A fiber of its own, which nothing interrupts: a client that hangs up must not stop the work.
      fork(
        Effect.annotateLogs(work(provider, delivery, trace), {
          provider: provider.endpoint.name,
          payload_hash: hash
        })
      ).addObserver((exit) => {
        count(provider, -1)
        send(response, Exit.isSuccess(exit) ? exit.value : Problems.unavailable)
        fork(failpoint("answer.after"))
      })
    })
    return true
  }

  return Ingress.of({
    handle,
    drain: () => {
      draining = true
    },
    isDraining: () => draining,
    inFlight: () => inFlight
  })
})

export const layer = (options: IngressOptions) => Layer.effect(Ingress, make(options))
