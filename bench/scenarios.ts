import { dbos } from "./contestants/Dbos.ts"
import { fastapi } from "./contestants/FastApi.ts"
import { type GateOptions, gate } from "./contestants/Gate.ts"
import { loaded } from "./contestants/loadedKeys.ts"
import { redpanda } from "./contestants/Redpanda.ts"
import { restate } from "./contestants/Restate.ts"
import type { Cell, LoadSpec, Scenario } from "./Scenario.ts"
import type { Settings } from "./Settings.ts"

const at = (connections: number): LoadSpec => ({ connections })

const paypal = (bytes: number) => [{ pool: { kind: "paypal", bytes }, share: 1 } as const]

/** All that can be measured, in the order in which it is. */
export const scenarios = (settings: Settings): ReadonlyArray<Scenario> => {
  const ours = (options: Omit<GateOptions, "profile">) => gate({ ...options, profile: settings.profile })
  const on = (name: string, load: LoadSpec, contestant = ours({ name: "gate" })): Cell => ({
    name,
    kind: "load",
    contestant,
    load
  })
  const others = settings.peers ? [fastapi, dbos, restate, redpanda] : [fastapi]
  return [
    {
      name: "new",
      title: "all new, PayPal, 128 connections",
      reference: "pgbench, a row at a time",
      cells: [
        on("gate", at(128)),
        on("gate, relay off", at(128), ours({ name: "gate", relay: "off" })),
        { name: "pgbench, a row at a time", kind: "pgbench", clients: 128 },
        ...others.map((peer) => on(peer.name, { ...at(128), ceiling: 6_000 }, peer))
      ]
    },
    {
      name: "connections",
      title: "all new, PayPal, by connections",
      reference: "128",
      cells: [1, 8, 32, 128, 512].map((count) =>
        on(String(count), { ...at(count), ...(count === 1 ? { ceiling: 2_000 } : {}) })
      )
    },
    {
      name: "duplicates",
      title: "duplicates, against all new",
      cells: [32, 128].flatMap((count) => [
        on(`all new, ${count}`, at(count)),
        on(`75 % duplicates, ${count}`, { ...at(count), order: "copies", ceiling: 20_000 }),
        on(`one hot key, ${count}`, { ...at(count), order: "hot" })
      ])
    },
    {
      name: "failures",
      title: "failures and retries among them, 128 connections",
      cells: [
        on("all new", at(128)),
        on("20 % Toss of which 10 % fail first, 5 % forged", {
          ...at(128),
          apiFails: 0.1,
          mix: [
            { pool: { kind: "paypal", bytes: 0 }, share: 0.75 },
            { pool: { kind: "toss", bytes: 0 }, share: 0.2 },
            { pool: { kind: "forged", bytes: 0 }, share: 0.05 }
          ]
        })
      ]
    },
    {
      name: "toss",
      title: "all new, Toss with its re-query",
      cells: [32, 128].map((count) =>
        on(String(count), {
          ...at(count),
          ceiling: 4_000,
          mix: [{ pool: { kind: "toss", bytes: 0 }, share: 1 }]
        })
      )
    },
    {
      name: "sizes",
      title: "size of the body, all new, 32 connections",
      cells: [
        on("1.5 kB", at(32)),
        on("8 kB", { ...at(32), ceiling: 5_000, mix: paypal(8_000) }),
        on("64 kB", { ...at(32), ceiling: 1_500, mix: paypal(64_000) }),
        on("250 kB", { ...at(32), ceiling: 400, mix: paypal(250_000) })
      ]
    },
    {
      name: "gates",
      title: "processes side by side, all new, 128 connections",
      cells: [
        on("one gate", at(128)),
        on("two gates", at(128), ours({ name: "two gates", gates: 2 })),
        on("relay in its own process", at(128), ours({ name: "gate", relay: "apart" }))
      ]
    },
    {
      name: "runtimes",
      title: "Node and Deno, all new, 128 connections",
      cells: [on("Node", at(128)), on("Deno", at(128), ours({ name: "Deno", runtime: "deno" }))]
    },
    {
      name: "kafka",
      title: "Kafka here, away, and no relay: all new, 128 connections, and the backlog afterwards",
      cells: [
        on("relay on", at(128)),
        on("Kafka away", at(128), ours({ name: "gate", relay: "away" })),
        on("relay off", at(128), ours({ name: "gate", relay: "off" }))
      ]
    },
    {
      name: "keys",
      title: `${settings.keys.toLocaleString("en")} keys already there, all new, 128 connections`,
      cells: [on("empty", at(128)), on("with keys", at(128), loaded(settings.keys))]
    },
    {
      name: "visible",
      title: "from the row to a read_committed reader, 1,000 events a second",
      cells: [{ ...on("gate", { connections: 64, rate: 1_000 }), watch: true } as Cell]
    },
    {
      name: "outage",
      title: `Kafka away for ${settings.away} s, ${settings.rate} webhooks a second all the time`,
      cells: [
        {
          name: "gate",
          kind: "outage",
          contestant: ours({ name: "gate" }),
          load: { connections: 64, rate: settings.rate }
        }
      ],
      once: true
    },
    {
      name: "start",
      title: "from start to ready, database up",
      cells: [
        { name: "Node", kind: "start", contestant: ours({ name: "gate" }) },
        { name: "Deno", kind: "start", contestant: ours({ name: "gate", runtime: "deno" }) }
      ]
    },
    {
      name: "kill",
      title: "three kill -9 in 5,000 ids, 32 connections",
      cells: [ours({ name: "gate" }), ...others].map((contestant) => ({
        name: contestant.name,
        kind: "kill",
        contestant,
        ids: 5_000,
        connections: 32
      }))
    },
    {
      name: "memory",
      title: "memory at full load, 128 connections, thirty times the time: new ones first, then copies",
      cells: [on("gate", { ...at(128), lasts: 30, cycle: true, ceiling: 1_000 })]
    }
  ]
}
