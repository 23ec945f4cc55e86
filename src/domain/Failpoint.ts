import { Context, Effect } from "effect"

/** Every step at which a process may die, stall or fail. Before and after are meant of the commit or the answer. */
export const names = [
  "ingress.received",
  "claim.before",
  "claim.after",
  "process.before",
  "process.after",
  "complete.before",
  "complete.after",
  "fail.before",
  "fail.after",
  "answer.before",
  "answer.after",
  "renew.before",
  "take.before",
  "take.after",
  "relay.fenced",
  "relay.read",
  "relay.batch.written",
  "relay.sent",
  "relay.offsets",
  "relay.committed",
  "relay.confirmed"
] as const

/** Steps that few come to: of what people run beside the gate, and of a relay that ends what Kafka did not. */
export const others = ["rebase.marked", "rebase.published", "rebase.committed", "relay.ending"] as const
export type FailpointName = (typeof names)[number] | (typeof others)[number]

/** What happens at a failpoint. A test sets it; nothing in the house does. */
export const Failpoints = Context.Reference<((name: FailpointName) => Effect.Effect<void>) | undefined>(
  "oncegate/domain/Failpoints",
  { defaultValue: () => undefined }
)

/** The same for a step in the middle of a promise. */
export const failpointPromise = (act: typeof Failpoints.Service, name: FailpointName): Promise<void> =>
  act === undefined ? Promise.resolve() : Effect.runPromise(act(name))

/** A place where a test may kill, stop, delay or throw; otherwise nothing is there. */
export const failpoint = (name: FailpointName) =>
  Effect.flatMap(Failpoints, (act) => (act === undefined ? Effect.void : act(name)))
