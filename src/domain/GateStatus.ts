import { Context, Effect, Schema } from "effect"

const Count = Schema.Int
const Age = Schema.NullOr(Schema.Finite)

/** What waits at one endpoint, and for whom. */
export const EndpointStatus = Schema.Struct({
  endpoint: Schema.String,
  processing: Count.annotate({ description: "In flight" }),
  retry_scheduled: Count,
  unconfirmed: Count.annotate({ description: "The provider's API does not know them (yet)" }),
  parked: Count.annotate({ description: "Only a person moves them on; so with the next two" }),
  conflict: Count,
  quarantined: Count,
  oldest_open_key: Schema.NullOr(Schema.String),
  oldest_open_seconds: Age.annotate({ description: "Age of the oldest event that is not done" }),
  done_last_hour: Schema.NullOr(Count).annotate({
    description: "Of those first seen in the last hour; null where there are too many to count"
  }),
  unpublished: Count.annotate({
    description: "Rows of the log that are not in Kafka yet; at least, where the relay's count is not exact"
  })
}).annotate({ identifier: "EndpointStatus" })
export type EndpointStatus = typeof EndpointStatus.Type

/** Where the relay stands, as far as the database knows, and where it runs in this process, as it says itself. */
export const RelayStanding = Schema.Struct({
  state: Schema.String.annotate({
    description:
      "Of the relay in this process: starting, standby, active, waiting, refused, stopped. Else of all relays together, as they reported last: the same, or gone (none is heard any more), absent"
  }),
  reason: Schema.NullOr(Schema.Struct({ code: Schema.String, explanation: Schema.String })),
  position: Schema.NullOr(Schema.Int).annotate({ description: "Last position of the log that is in Kafka" }),
  confirmed_at: Schema.NullOr(Schema.String),
  unpublished: Count.annotate({ description: "Rows of the log that are not in Kafka yet" }),
  unpublished_exact: Schema.Boolean.annotate({
    description: "False: an upper bound, there are too many to count"
  }),
  oldest_unpublished_seconds: Age
}).annotate({ identifier: "RelayStanding" })
export type RelayStanding = typeof RelayStanding.Type

/** The answer to "is all well, and what wants a person?". Ages on the database's clock. */
export const GateStatus = Schema.Struct({
  at: Schema.String,
  endpoints: Schema.Array(EndpointStatus),
  relay: RelayStanding
}).annotate({ identifier: "GateStatus" })
export type GateStatus = typeof GateStatus.Type

/** What the relay of this process says about itself; null where this process runs none. */
export const LocalRelay = Context.Reference<Effect.Effect<Pick<RelayStanding, "state" | "reason"> | null>>(
  "oncegate/domain/LocalRelay",
  { defaultValue: () => Effect.succeed(null) }
)
