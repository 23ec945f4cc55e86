import kafkajs, { type Admin } from "kafkajs"
import type postgres from "postgres"
import type { TopicNames } from "../../src/infra/kafka/Topics.ts"
import type { Broker } from "./Broker.ts"
import { APIS, type Api, type FaultyProxy } from "./FaultyProxy.ts"
import type { Relays } from "./Relays.ts"

export interface Surroundings {
  readonly sql: postgres.Sql
  readonly admin: Admin
  readonly names: TopicNames
  readonly broker: Broker
  readonly proxy: FaultyProxy
  readonly relays: Relays
  readonly random: () => number
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

const between = ({ random }: Surroundings, from: number, to: number) => from + random() * (to - from)

/** Ends the session that holds the lock: its relay still has a transaction under way when the other one takes over. */
const loseSession = ({ names, sql }: Surroundings) => sql`
  SELECT pg_terminate_backend(pid) FROM pg_locks
   WHERE locktype = 'advisory' AND granted
     AND (classid::bigint << 32 | objid::bigint) = hashtextextended(current_schema() || '/' || ${names.transactionalId}, 0)`

const limitRecords = ({ admin, names }: Surroundings, bytes: number) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: names.events,
        configEntries: [
          { name: "retention.ms", value: "-1" },
          { name: "max.message.bytes", value: String(bytes) }
        ]
      }
    ]
  })

const lose =
  (api: Api) =>
  async ({ proxy }: Surroundings) => {
    const before = proxy.lost()
    proxy.lose(api)
    for (let waited = 0; proxy.lost() === before && waited < 200; waited++) await sleep(10)
  }

/** A commit that is still in the network when its relay is replaced. */
const LATE_MS = 12_000

/** What is done to the relays' surroundings; each returns when all is well again but for what it left behind. */
export const faults = {
  "broker killed": ({ broker }) => broker.killAndRestart(),
  "relay killed": async ({ random, relays }) => relays.killOne(Math.floor(random() * 2)),
  "session lost": loseSession,
  "connections cut": async ({ proxy }) => proxy.cut(),
  "connections refused": async (around) => {
    around.proxy.refuse(true)
    await sleep(between(around, 500, 3000))
    around.proxy.refuse(false)
  },
  "connections half open": async ({ proxy }) => proxy.halfOpen(),
  "network slow": async (around) => {
    around.proxy.delay(between(around, 20, 250))
    await sleep(between(around, 300, 1000))
    around.proxy.delay(0)
  },
  "session lost, commit late": (around) => around.proxy.holdCommit(() => loseSession(around), LATE_MS),
  "relays killed, commit late": (around) => around.proxy.holdCommit(around.relays.killAll, LATE_MS),
  "records refused": async (around) => {
    await limitRecords(around, 1500)
    await sleep(between(around, 600, 1200))
    await limitRecords(around, 1_048_588)
  },
  ...(Object.fromEntries(
    (Object.keys(APIS) as Array<Api>).map((api) => [`reply to ${api} lost`, lose(api)])
  ) as Record<`reply to ${Api} lost`, (around: Surroundings) => Promise<void>>)
} satisfies Readonly<Record<string, (around: Surroundings) => PromiseLike<unknown>>>

export type FaultName = keyof typeof faults
const names = Object.keys(faults) as ReadonlyArray<FaultName>

/** A programme of faults: the dear ones as often as asked for, each other kind at least once, in random order. */
export const programme = (
  random: () => number,
  counts: { readonly faults: number; readonly brokerKills: number; readonly halfOpens: number }
): ReadonlyArray<FaultName> => {
  const dear: Partial<Record<FaultName, number>> = {
    "broker killed": counts.brokerKills,
    "connections half open": counts.halfOpens
  }
  const list = Object.entries(dear).flatMap(([name, times]) =>
    new Array<FaultName>(times).fill(name as FaultName)
  )
  const cheap = names.filter((name) => dear[name] === undefined)
  for (let n = 0; list.length < counts.faults; n++)
    list.push(n < cheap.length ? cheap[n]! : cheap[Math.floor(random() * cheap.length)]!)
  for (let at = list.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[list[at], list[other]] = [list[other]!, list[at]!]
  }
  return list
}
