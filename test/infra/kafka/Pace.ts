import { Redacted } from "effect"
import type { RelayPace } from "../../../src/infra/kafka/Relay.ts"
import * as Database from "../../../src/infra/postgres/Database.ts"

/** Quick to notice, quick to try again: a test must not wait with production's patience. */
export const PACE = {
  leaderMs: 100,
  patienceMs: 300,
  unendedMs: 1000,
  backoffMs: [20, 500],
  alarmMs: 1000,
  recheckMs: 300,
  idleMs: 50
} satisfies Partial<RelayPace>

export const databaseLayer = (url: string, claimConnections = 2) =>
  Database.layer({
    url: Redacted.make(url),
    claimConnections,
    completionConnections: 1,
    statementTimeoutMs: 10_000
  })
