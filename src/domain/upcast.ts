import { Result, Schema } from "effect"
import { GateEvent } from "./GateEvent.ts"

/** A row of the log that this version of the gate cannot read. `newer`: a later version of the gate wrote it. */
export class EventUnreadable extends Schema.TaggedError<EventUnreadable>()("EventUnreadable", {
  type: Schema.String,
  version: Schema.Int,
  newer: Schema.Boolean
}) {}

type Data = Readonly<Record<string, unknown>>

/** By type and version: what turns the data of that version into that of the next one. */
export type Upcasters = Readonly<Record<string, Readonly<Record<number, (data: Data) => Data>>>>

/** Version 1 of every type is current: the first change of a shape puts its upcaster here, and its history under test/domain/released. */
export const upcasters: Upcasters = {}

const decode = Schema.decodeUnknownResult(GateEvent)

/** How rows of the log become events of today, whatever version wrote them. */
export const reader =
  (table: Upcasters) =>
  (type: string, version: number, data: unknown): Result.Result<GateEvent, EventUnreadable> => {
    const steps = table[type] ?? {}
    const current = Math.max(1, ...Object.keys(steps).map((step) => Number(step) + 1))
    const unreadable = () => new EventUnreadable({ type, version, newer: version > current })
    if (version > current || typeof data !== "object" || data === null) return Result.fail(unreadable())
    let present = data as Data
    for (let step = version; step < current; step += 1) {
      const next = steps[step]
      if (next === undefined) return Result.fail(unreadable())
      present = next(present)
    }
    return Result.mapError(decode({ ...present, _tag: type }), unreadable)
  }

export const upcast = reader(upcasters)
