import { Schema } from "effect"
import {
  HttpApi,
  HttpApiEndpoint,
  HttpApiError,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  HttpApiSecurity,
  OpenApi
} from "effect/http-api"
import { Actor, FoundCount, MAX_PAGE, Reason } from "../domain/Events.ts"
import { EventDetail, EventPage, EventState, OpenState } from "../domain/EventView.ts"
import { GateStatus } from "../domain/GateStatus.ts"

// The contract of the admin listener: what serves, and what `/openapi.json` says, are made of these definitions.

const type = <const Name extends string>(name: Name) => `urn:oncegate:problem:${name}` as const

export class Unauthorized extends HttpApiError.Problem<Unauthorized>()("Unauthorized", {
  type: type("unauthorized"),
  status: 401,
  title: "Say who you are: Authorization: Bearer ADMIN_TOKEN."
}) {}
export class UnknownEvent extends HttpApiError.Problem<UnknownEvent>()("UnknownEvent", {
  type: type("unknown-event"),
  status: 404,
  title: "There is no such event at this endpoint."
}) {}
export class NotYet extends HttpApiError.Problem<NotYet>()("NotYet", {
  type: type("not-found"),
  status: 404,
  title: "There is nothing here."
}) {}
/** `state` says which one stands in the way. */
export class Refused extends HttpApiError.Problem<Refused>()(
  "Refused",
  { type: type("refused"), status: 409, title: "The state of the event does not allow this." },
  { state: Schema.Literals(["done", "processing"]) }
) {}
export class BadCursor extends HttpApiError.Problem<BadCursor>()("BadCursor", {
  type: type("bad-cursor"),
  status: 400,
  title: "The cursor is none of this gate's."
}) {}
export class Unavailable extends HttpApiError.Problem<Unavailable>()("Unavailable", {
  type: type("unavailable"),
  status: 503,
  title: "The database does not answer: try again later."
}) {}

/** Every route wants the token. */
export class Token extends HttpApiMiddleware.Service<Token>()("oncegate/http/Token", {
  security: { bearer: HttpApiSecurity.bearer },
  error: Unauthorized
}) {}

/** Text that the database can hold: there is no NUL in it. */
const Text = (most: number) => Schema.String.check(Schema.isMaxLength(most), Schema.isPattern(/^[^\0]*$/u))
const name = {
  endpoint: Text(255).check(Schema.isNonEmpty()),
  dedup_key: Text(2_000).check(Schema.isNonEmpty()).annotate({ description: "URL-encoded" })
}
/** `failed` is another word for `retry_scheduled`. */
const orFailed = <const A extends ReadonlyArray<string>>(literals: A) =>
  Schema.Literals([...literals, "failed"] as readonly [...A, "failed"])
const Code = Text(100)
/** In years of four digits: others are none to the database, or before its time. */
const Since = Schema.DateFromString.check(
  Schema.isBetweenDate({
    minimum: new Date("0001-01-01T00:00:00Z"),
    maximum: new Date("9999-12-31T23:59:59.999Z")
  })
).annotate({ description: "First seen at or after; ISO 8601" })

const Act = Schema.Struct({
  reason: Reason.annotate({ description: "Why: stands in the log for ever, so no customer's data" }),
  by: Schema.optionalKey(Actor).annotate({ description: "Who acts; `admin` where not given" })
})
const Acted = Schema.Struct({
  endpoint: Schema.String,
  dedup_key: Schema.String,
  status: Schema.Literals(["redriven", "dismissed"])
})

export const RedriveMany = Schema.Struct({
  filter: Schema.Struct({
    state: orFailed(OpenState.literals),
    endpoint: Schema.optionalKey(name.endpoint),
    error_code: Schema.optionalKey(Code),
    since: Schema.optionalKey(Since)
  }),
  ...Act.fields,
  dry_run: Schema.optionalKey(Schema.Boolean),
  cursor: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "RedriveMany" })

export const RedrivenMany = Schema.Struct({
  dry_run: Schema.Boolean,
  matched: Schema.Array(FoundCount).annotate({ description: "Before anything was changed" }),
  redriven: Schema.Int,
  skipped: Schema.Int.annotate({ description: "Moved on by somebody else meanwhile" }),
  cursor: Schema.NullOr(Schema.String).annotate({
    description: "There is more: send the same request again with this cursor"
  })
}).annotate({ identifier: "RedrivenMany" })

const about = (summary: string, description?: string) =>
  OpenApi.annotations({ summary, ...(description === undefined ? {} : { description }) })

const Metrics = Schema.String.pipe(
  HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })
)

class Machine extends HttpApiGroup.make("machine").add(
  HttpApiEndpoint.get("metrics", "/metrics", { success: Metrics }).annotateMerge(
    about("Metrics for Prometheus")
  ),
  HttpApiEndpoint.get("openapi", "/openapi.json", { success: Schema.Unknown }).annotateMerge(
    about("This description")
  ),
  HttpApiEndpoint.get("asyncapi", "/asyncapi.json", { success: Schema.Unknown }).annotateMerge(
    about("Description of the topics, AsyncAPI 3")
  ),
  HttpApiEndpoint.get("schema", "/schemas/:type", {
    params: { type: Schema.String.annotate({ description: "ce_type, or all of ce_dataschema" }) },
    success: Schema.Unknown.pipe(HttpApiSchema.asJson({ contentType: "application/schema+json" })),
    error: NotYet
  }).annotateMerge(about("JSON Schema of the records of a type: what ce_dataschema names"))
) {}

class People extends HttpApiGroup.make("people")
  .add(
    HttpApiEndpoint.get("status", "/status", { success: GateStatus, error: Unavailable }).annotateMerge(
      about("What waits, at which endpoint, and where the relay stands")
    ),
    HttpApiEndpoint.get("list", "/events", {
      query: {
        state: Schema.optionalKey(orFailed(EventState.literals)),
        endpoint: Schema.optionalKey(name.endpoint),
        error_code: Schema.optionalKey(Code),
        since: Schema.optionalKey(Since),
        cursor: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(500))),
        limit: Schema.optionalKey(
          Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: MAX_PAGE }))
        )
      },
      success: EventPage,
      error: [BadCursor, Unavailable]
    }).annotateMerge(about("Events, newest first", "50 on a page unless `limit` says otherwise.")),
    HttpApiEndpoint.get("show", "/events/:endpoint/:dedup_key", {
      params: name,
      success: EventDetail,
      error: [UnknownEvent, Unavailable]
    }).annotateMerge(about("One event: state, log and billing facts; never its body")),
    HttpApiEndpoint.post("redrive", "/events/:endpoint/:dedup_key/redrive", {
      params: name,
      payload: Act,
      success: Acted,
      error: [UnknownEvent, Refused, Unavailable]
    }).annotateMerge(about("Process a failed or parked event again, at once")),
    HttpApiEndpoint.post("dismiss", "/events/:endpoint/:dedup_key/dismiss", {
      params: name,
      payload: Act,
      success: Acted,
      error: [UnknownEvent, Refused, Unavailable]
    }).annotateMerge(about("End a failed or parked event for good, without booking anything")),
    HttpApiEndpoint.post("redriveMany", "/redrives", {
      payload: RedriveMany,
      success: RedrivenMany,
      error: [BadCursor, Unavailable]
    }).annotateMerge(
      about(
        "Process all events again that a filter finds",
        "In bounded runs: while the answer holds a cursor, send the same request with it. Cut short, begin anew."
      )
    )
  )
  .prefix("/v1") {}

export class AdminApi extends HttpApi.make("oncegate-admin")
  .add(Machine, People)
  .middleware(Token)
  .middleware(HttpApiMiddleware.ProblemDetails)
  // A filter or `dry_run` that is spelled wrong must not be passed over: the act would reach further than was meant.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({
      title: "Oncegate admin",
      version: "1",
      description:
        "What people and machines ask a gate, and what people do about events. Nothing shows a body."
    })
  ) {}
