import { createHash, timingSafeEqual } from "node:crypto"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ByteSize, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware, OpenApi } from "effect/http-api"
import { Events, type OpenFilter } from "../domain/Events.ts"
import type { EventState, OpenState } from "../domain/EventView.ts"
import { dataschemaOf } from "../domain/RecordHeaders.ts"
import {
  AdminApi,
  BadCursor,
  NotYet,
  Refused,
  Token,
  Unauthorized,
  Unavailable,
  UnknownEvent
} from "./AdminApi.ts"
import * as Contract from "./Contract.ts"
import * as Scrape from "./Scrape.ts"
import { listen } from "./Server.ts"

export interface AdminOptions {
  readonly host: string
  readonly port: number
  readonly token: Redacted.Redacted
}

const sha256 = (text: string) => createHash("sha256").update(text).digest()

/** Digests have one length, and their comparison takes one time: nothing is learnt of the token. */
const sameAs = (token: Redacted.Redacted) => {
  const expected = sha256(Redacted.value(token))
  return (given: string) => timingSafeEqual(sha256(given), expected)
}

const guard = (isToken: (given: string) => boolean) =>
  Layer.succeed(
    Token,
    Token.of({
      bearer: Effect.fnUntraced(function* (app, { credential }) {
        if (!isToken(Redacted.value(credential))) return yield* new Unauthorized({})
        return yield* app
      })
    })
  )

const problem = (status: number, type: string, title: string) =>
  HttpServerResponse.jsonUnsafe({ type, status, title }, { status, contentType: "application/problem+json" })

/** Whatever is no route: without the token not even that is told. */
const elsewhere = (isToken: (given: string) => boolean) =>
  HttpRouter.add(
    "*",
    "/*",
    Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const given = /^Bearer (.*)$/i.exec(headers.authorization ?? "")?.[1] ?? ""
      const { status, title, type } = isToken(given) ? new NotYet({}) : new Unauthorized({})
      return problem(status, type, title)
    })
  )

const TITLES: Readonly<Record<number, string>> = {
  413: "The request is larger than this listener accepts.",
  415: "Requests are sent as application/json."
}

/** What the library refuses by itself, and faults of our own, in the form of every other refusal. */
const asProblems = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  app.pipe(
    Effect.catchCause((cause) =>
      Effect.map(HttpServerError.causeResponse(cause), ([response]) => ({ response, cause }))
    ),
    Effect.flatMap((result) => {
      const { cause, response } = "response" in result ? result : { cause: undefined, response: result }
      if (response.status < 400 || response.headers["content-type"] === "application/problem+json")
        return Effect.succeed(response)
      const answer = problem(response.status, "about:blank", TITLES[response.status] ?? "The request failed.")
      return response.status === 500 && cause !== undefined
        ? Effect.as(Effect.logError("an unexpected fault of the admin listener", cause), answer)
        : Effect.succeed(answer)
    })
  )

const stateOf = <A extends string>(state: A) =>
  (state === "failed" ? "retry_scheduled" : state) as Exclude<A, "failed">

const URN = dataschemaOf("")

const machine = HttpApiBuilder.group(
  AdminApi,
  "machine",
  Effect.fnUntraced(function* (handlers) {
    const metrics = yield* Scrape.make
    const description = OpenApi.fromApi(AdminApi)
    const contract = yield* Contract.read
    return handlers.handleAll({
      metrics: () => metrics,
      openapi: () => Effect.succeed(description),
      asyncapi: () => Effect.succeed(contract.asyncapi),
      schema: ({ params: { type } }) => {
        const schema = contract.schemas.get(type.slice(type.startsWith(URN) ? URN.length : 0))
        return schema === undefined ? Effect.fail(new NotYet({})) : Effect.succeed(schema)
      }
    })
  })
)

const people = HttpApiBuilder.group(
  AdminApi,
  "people",
  Effect.fnUntraced(function* (handlers) {
    const events = yield* Events
    const unavailable = () => Effect.fail(new Unavailable({}))
    const act = (
      kind: "redrive" | "dismiss",
      params: { readonly endpoint: string; readonly dedup_key: string },
      { by = "admin", reason }: { readonly by?: string; readonly reason: string }
    ) =>
      events[kind]({ endpoint: params.endpoint, dedupKey: params.dedup_key }, { by, reason }).pipe(
        Effect.catchTags({
          EventMissing: () => Effect.fail(new UnknownEvent({})),
          ActRefused: ({ state }) => Effect.fail(new Refused({ state })),
          StoreUnavailable: unavailable
        }),
        Effect.as({ ...params, status: kind === "redrive" ? ("redriven" as const) : ("dismissed" as const) })
      )

    return handlers.handleAll({
      status: () => events.status.pipe(Effect.catchTag("StoreUnavailable", unavailable)),
      list: ({ query: { cursor, error_code, limit, state, ...rest } }) =>
        events
          .list(
            {
              ...rest,
              ...(error_code === undefined ? {} : { code: error_code }),
              ...(state === undefined ? {} : { state: stateOf(state) satisfies EventState })
            },
            { limit: limit ?? 50, ...(cursor === undefined ? {} : { cursor }) }
          )
          .pipe(
            Effect.catchTags({
              CursorInvalid: () => Effect.fail(new BadCursor({})),
              StoreUnavailable: unavailable
            })
          ),
      show: ({ params }) =>
        events.show({ endpoint: params.endpoint, dedupKey: params.dedup_key }).pipe(
          Effect.catchTags({
            EventMissing: () => Effect.fail(new UnknownEvent({})),
            StoreUnavailable: unavailable
          })
        ),
      // Whoever hangs up in the middle of an act must not leave it half told.
      redrive: {
        handler: ({ params, payload }) => act("redrive", params, payload),
        options: { uninterruptible: true }
      },
      dismiss: {
        handler: ({ params, payload }) => act("dismiss", params, payload),
        options: { uninterruptible: true }
      },
      redriveMany: {
        handler: Effect.fnUntraced(
          function* ({ payload }) {
            const { by = "admin", cursor, dry_run = false, reason } = payload
            const { error_code, state, ...rest } = payload.filter
            const filter: OpenFilter = {
              ...rest,
              state: stateOf(state) satisfies OpenState,
              ...(error_code === undefined ? {} : { code: error_code })
            }
            const matched = yield* events.count(filter)
            const run = dry_run
              ? { redriven: 0, skipped: 0, cursor: null }
              : yield* events.redriveMany(filter, { by, reason }, cursor)
            return { dry_run, matched, ...run }
          },
          Effect.catchTags({
            CursorInvalid: () => Effect.fail(new BadCursor({})),
            StoreUnavailable: unavailable
          })
        ),
        options: { uninterruptible: true }
      }
    })
  })
)

/** The admin listener, for as long as the scope lives. */
export const serve = Effect.fnUntraced(function* (options: AdminOptions) {
  const isToken = sameAs(options.token)
  const routes = Layer.mergeAll(
    HttpApiBuilder.layer(AdminApi).pipe(
      Layer.provide([machine, people]),
      Layer.provide([guard(isToken), HttpApiMiddleware.layerProblemDetails({ includeDetails: true })])
    ),
    elsewhere(isToken)
  )
  const app = yield* HttpRouter.toHttpEffect(routes).pipe(Effect.provide(NodeHttpServer.layerHttpServices))
  const handler = yield* NodeHttpServer.makeHandler(
    asProblems(app).pipe(Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.kibibytes(64))),
    { scope: yield* Effect.scope }
  )
  return yield* listen({ variable: "ADMIN_PORT", host: options.host, port: options.port }, handler)
})
