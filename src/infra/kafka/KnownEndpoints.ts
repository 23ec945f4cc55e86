import { Effect } from "effect"
import type { Endpoint } from "../../domain/Endpoint.ts"
import type { Connection } from "../postgres/Database.ts"
import type { LogRow } from "../postgres/LogReader.ts"
import type { EndpointFacts } from "./Records.ts"

/** Kind and environment of endpoints never change once they are written: known is known. */
export const make = () => {
  const known = new Map<string, EndpointFacts>()

  /** Looks up the names of these rows that are not known yet. */
  const learn = Effect.fnUntraced(function* (connection: Connection, rows: ReadonlyArray<LogRow>) {
    if (rows.every(({ provider }) => known.get(provider) !== undefined)) return
    const found = yield* connection.query<Endpoint>(
      "relay.endpoints",
      "SELECT name, kind, environment FROM webhook_endpoints"
    )
    for (const { name, kind, environment } of found) known.set(name, { kind, environment })
  })

  return { learn, of: (name: string): EndpointFacts => known.get(name) }
}
