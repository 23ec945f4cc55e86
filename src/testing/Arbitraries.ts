import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import type { GateCommand, GateState } from "../domain/Gate.ts"
import { unseen } from "../domain/Gate.ts"
import { GateEvent } from "../domain/GateEvent.ts"
import * as Commands from "./commands.ts"
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
      case "taken":
        return Commands[kind](lease)
      case "renewed":
      case "released":
      case "completed":
        return Commands[kind](fence)
      case "failed":
        return Commands.failed(fence, failure)
      case "redriven":
      case "dismissed":
        return Commands[kind]
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
