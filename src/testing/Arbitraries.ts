import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import type { GateCommand, GateState } from "../domain/Gate.ts"
import { unseen } from "../domain/Gate.ts"
import { GateEvent } from "../domain/GateEvent.ts"
import { completed, delivered, dismissed, failed, redriven, released, renewed, taken } from "./commands.ts"
import { histories } from "./Step.ts"
import { play } from "./Trail.ts"

export { concurrentHistories, histories } from "./Step.ts"

const fence = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
const lease = Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))
const Words = Schema.Struct({
  kind: Schema.Literals([
    "delivered",
    "taken",
    "renewed",
    "completed",
    "failed",
    "released",
    "redriven",
    "dismissed"
  ]),
  fence,
  lease,
  failure: Schema.Literals(["permanent", "world", "event"])
})

/** Any command, whatever the state: with fences from 1 to 5, and leases that end within ten seconds. */
export const commands: Arbitrary.Arbitrary<GateCommand> = Arbitrary.map(
  Arbitrary.schema(Words),
  ({ failure, fence, kind, lease }) => {
    switch (kind) {
      case "delivered":
        return delivered(lease)
      case "taken":
        return taken(lease)
      case "renewed":
        return renewed(fence)
      case "completed":
        return completed(fence)
      case "failed":
        return failed(fence, failure)
      case "released":
        return released(fence)
      case "redriven":
        return redriven
      case "dismissed":
        return dismissed
    }
  }
)

/** Any event of the log, well formed; whether it could follow another one is not asked. */
export const events: Arbitrary.Arbitrary<GateEvent> = Arbitrary.schema(GateEvent)

/** Logs of one event as a gate could have written them: changes of state only, oldest first. */
export const logs: Arbitrary.Arbitrary<ReadonlyArray<GateEvent>> = Arbitrary.map(
  histories(),
  (rounds) => play(rounds).at(-1)?.after.streams.a.changes ?? []
)

/** States that can be reached. */
export const states: Arbitrary.Arbitrary<GateState> = Arbitrary.map(
  histories(),
  (rounds) => play(rounds).at(-1)?.after.streams.a.state ?? unseen
)
