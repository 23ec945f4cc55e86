import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { describe, expect } from "vitest"
import { it, numbersOf, record, type World, waitFor } from "./ConsumerWorld.ts"

const main = fileURLToPath(new URL("./consumer-process.ts", import.meta.url))
const runtime = "Deno" in globalThis ? ["run", "-A"] : []

const consumerProcess = ({ url, brokers, topic, groupId }: World, mode: "hang" | "late") =>
  spawn(process.execPath, [...runtime, main], {
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      DATABASE_URL: url,
      BROKERS: brokers.join(","),
      TOPIC: topic,
      GROUP: groupId,
      MODE: mode
    },
    stdio: ["ignore", "pipe", "inherit"]
  })

const kill = async (child: ReturnType<typeof consumerProcess>) => {
  const ended = once(child, "exit")
  child.kill("SIGKILL")
  await ended
}

const records = [1, 2, 3, 4].flatMap((n) => [record("P1", n), record("P2", n)])
const ALL = { P1: [1, 2, 3, 4], P2: [1, 2, 3, 4] }

// One waits for the session of the dead member to end, and so does the other: at the same time.
describe.concurrent("kill -9 of a consumer", { timeout: 60_000 }, () => {
  it("in the middle of a handler: its work is undone with it, and done once by the next", async ({
    world
  }) => {
    await world.send(records)
    const child = consumerProcess(world, "hang")
    try {
      await once(child.stdout, "data")
      // What was handled is committed, up to what is not.
      await waitFor("committed", world.committed, (sum) => sum > 0)
    } finally {
      await kill(child)
    }
    expect((await world.effects()).filter(({ n }) => n > 1)).toEqual([])
    await world.start()
    await waitFor("effects", world.effects, (effects) => effects.length >= 8)
    await waitFor("committed", world.committed, (sum) => sum === 8)
    expect(numbersOf(await world.effects())).toEqual(ALL)
  })

  it("between the commit of its database and that of its offsets: nothing is done again", async ({
    world
  }) => {
    await world.send(records)
    const child = consumerProcess(world, "late")
    try {
      await waitFor("effects", world.effects, (effects) => effects.length === 8)
    } finally {
      await kill(child)
    }
    expect(await world.committed()).toBe(0)
    const consumer = await world.start()
    await waitFor("committed", world.committed, (sum) => sum === 8)
    expect(numbersOf(await world.effects())).toEqual(ALL)
    expect(consumer.status().counts).toMatchObject({ handled: 0, duplicates: 8 })
  })
})

// Longer than the session of the group, and beside the two above.
describe.concurrent("a handler that takes its time", { timeout: 60_000 }, () => {
  it("costs nobody the membership: the group hears of the member all the while", async ({ world }) => {
    await world.send([record("P1", 1)])
    const members = async () => {
      const { groups } = await world.admin.describeGroups([world.groupId])
      return groups[0]!.members.map(({ memberId }) => memberId)
    }
    let calls = 0
    let atBegin: ReadonlyArray<string> = []
    await world.start({
      handlers: {
        "billing.payment.captured.v1": async ({ id }, { sql }) => {
          calls += 1
          atBegin = await members()
          await sql`SELECT pg_sleep(7)`
          await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, 'P1', 1)`
        }
      }
    })
    await waitFor("committed", world.committed, (sum) => sum === 1)
    expect(atBegin).toHaveLength(1)
    expect(await members()).toEqual(atBegin)
    expect(calls).toBe(1)
  })
})
