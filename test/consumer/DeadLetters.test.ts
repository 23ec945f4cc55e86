import { describe, expect } from "vitest"
import {
  type AsyncHandler,
  type ConsumedEvent,
  dismissDeadLetter,
  Unprocessable
} from "../../src/consumer/index.ts"
import { it, numbersOf, record, waitFor } from "./ConsumerWorld.ts"

type Captured = ConsumedEvent<"billing.payment.captured.v1", { payment_reference: string; object_id: string }>

const write: AsyncHandler<Captured> = async ({ data, id }, { sql }) => {
  await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
}
/** Writes, and then fails for one payment's record until it is mended. */
const poisoned =
  (isPoison: (event: Captured) => unknown): AsyncHandler<Captured> =>
  async (event, context) => {
    await write(event, context)
    const error = isPoison(event)
    if (error) throw error
  }
const handlersOf = (handler: AsyncHandler<Captured>) => ({
  handlers: { "billing.payment.captured.v1": handler }
})

describe.concurrent("a record that cannot be handled", { timeout: 60_000 }, () => {
  it("is dead-lettered as it came, with its origin and the error's class; others go on", async ({
    world
  }) => {
    const poison = record("P1", 2, { headers: { traceparent: "00-abc", mine: "kept" } })
    await world.send([record("P1", 1), poison, record("P1", 3), record("P2", 1)])
    const failures: Array<unknown> = []
    const consumer = await world.start({
      ...handlersOf(
        poisoned(({ data }) =>
          data.payment_reference === "P1" && data.object_id === "2"
            ? Object.assign(new TypeError("SENTINEL 4111111111111111"), { code: "E_MINE" })
            : undefined
        )
      ),
      onFailure: (error) => {
        failures.push(error)
        throw new Error("a hook that fails is nobody's fault but its own")
      }
    })
    await waitFor("effects", world.effects, (effects) => effects.length >= 3)
    const [letter] = await world.read(`dlq.${world.groupId}`, 1)
    expect(numbersOf(await world.effects())).toEqual({ P1: [1, 3], P2: [1] })
    expect(letter).toEqual({
      key: poison.key,
      value: poison.value,
      partition: letter!.partition,
      headers: {
        ...poison.headers,
        "__dlq.errors.topic": world.topic,
        "__dlq.errors.partition": String(letter!.partition),
        "__dlq.errors.offset": "1",
        "__dlq.errors.group": world.groupId,
        "__dlq.errors.delivery.count": "3",
        "__dlq.errors.exception.class.name": "TypeError",
        "__dlq.errors.exception.code": "E_MINE"
      }
    })
    expect(JSON.stringify(letter)).not.toContain("SENTINEL")
    expect(failures).toHaveLength(3)
    expect(consumer.status().counts).toMatchObject({ handled: 3, retried: 2, deadLettered: 1 })
    await waitFor("committed", world.committed, (sum) => sum === 4)
  })

  it("holds back its key while it waits for its next attempt, and no other key", async ({ world }) => {
    await world.send([record("P1", 1), record("P1", 2), record("P2", 1), record("P2", 2)])
    await world.start({
      retry: { maxAttempts: 100, baseMs: 20, maxMs: 100 },
      ...handlersOf(async (event, context) => {
        // Not before the others are through: if they waited for this one, it would end as a dead letter.
        const isEarly = event.data.payment_reference === "P1" && (await world.effects()).length < 2
        await write(event, context)
        if (isEarly) throw new Error()
      })
    })
    await waitFor("effects", world.effects, (effects) => effects.length >= 4)
    const effects = await world.effects()
    expect(numbersOf(effects)).toEqual({ P1: [1, 2], P2: [1, 2] })
    expect(effects.slice(0, 2).map(({ payment }) => payment)).toEqual(["P2", "P2"])
  })

  it("blocks its key where that is wanted, until it is handled from the dead-letter topic", async ({
    world
  }) => {
    const dead = `dlq.${world.groupId}`
    await world.send([1, 2, 3].flatMap((n) => [record("P1", n), record("P2", n)]))
    let isMended = false
    const options = {
      ...handlersOf(
        poisoned(({ data }) =>
          !isMended && data.payment_reference === "P1" && data.object_id === "1"
            ? new Unprocessable({ reason: "unmapped_account" })
            : undefined
        )
      ),
      afterDeadLetter: "block-key" as const
    }
    const consumer = await world.start(options)
    await waitFor("committed", world.committed, (sum) => sum === 6)
    expect(numbersOf(await world.effects())).toEqual({ P2: [1, 2, 3] })
    const letters = await world.read(dead, 3)
    expect(letters.map(({ headers }) => headers["__dlq.errors.exception.class.name"])).toEqual([
      "Unprocessable",
      "KeyBlocked",
      "KeyBlocked"
    ])
    isMended = true
    await world.start({
      ...options,
      groupId: `${world.groupId}.redrive`,
      inbox: world.groupId,
      topics: [dead],
      deadLetterTopic: `${dead}.again`
    })
    await waitFor("effects", world.effects, (effects) => effects.length >= 6)
    expect(numbersOf(await world.effects())).toEqual({ P1: [1, 2, 3], P2: [1, 2, 3] })
    await world.send([record("P1", 4)])
    await waitFor("effects", world.effects, (effects) => effects.length >= 7)
    expect(consumer.status().counts).toMatchObject({ handled: 4, deadLettered: 3 })
  })

  it("is dismissed by a person: the key goes on without it", async ({ world }) => {
    const poison = record("P1", 1)
    await world.send([poison])
    const options = {
      ...handlersOf(poisoned(({ data }) => data.object_id === "1" && new Unprocessable({ reason: "no" }))),
      afterDeadLetter: "block-key" as const
    }
    await world.start(options)
    await waitFor("committed", world.committed, (sum) => sum === 1)
    expect(await dismissDeadLetter(world.sql, world.groupId, poison.headers.ce_id)).toBe(true)
    expect(await dismissDeadLetter(world.sql, world.groupId, poison.headers.ce_id)).toBe(false)
    await world.send([record("P1", 2)])
    await waitFor("effects", world.effects, (effects) => effects.length >= 1)
    expect(numbersOf(await world.effects())).toEqual({ P1: [2] })
  })

  it("is one of anybody's making: each goes to the dead letters, and the next good one is handled", async ({
    world
  }) => {
    const headers = (change: Readonly<Record<string, unknown>>) => ({
      ...record("P1", 1),
      headers: Object.fromEntries(
        Object.entries({ ...record("P1", 1).headers, ...change }).filter(([, value]) => value !== undefined)
      )
    })
    const bad = [
      { ...record("P1", 1), value: null },
      record("P1", 1, { value: "" }),
      record("P1", 1, { value: "{" }),
      record("P1", 1, { value: "\uFEFF{}" }),
      record("P1", 1, { value: "[".repeat(100_000) }),
      record("P1", 1, { value: "[".repeat(100_000) + "]".repeat(100_000) }),
      record("P1", 1, { data: { amount: { value: 10.5, currency: "EUR" } } }),
      { ...record("P1", 1), value: Buffer.from([0xff, 0xfe, 0x00]) },
      // As much as the broker takes: the letter, with its headers, is more.
      record("P1", 1, { value: "x".repeat(1_048_150) }),
      headers({ ce_id: "" }),
      headers({ ce_id: "a\0b" }),
      headers({ ce_id: "x".repeat(5_000) }),
      headers({ ce_id: undefined }),
      headers({ ce_type: "billing payment" }),
      headers({ ce_type: undefined }),
      headers({ ce_source: undefined }),
      headers({ ce_sequence: "-1", ce_id: "\u00e9" }),
      { ...headers({ ce_type: "a\0b" }), key: "\0" },
      { ...headers({ ce_type: "a\0b" }), key: null },
      { key: null, value: null }
    ]
    for (const one of bad) await world.send([one as unknown as ReturnType<typeof record>])
    await world.send([record("P1", 2)])
    const consumer = await world.start()
    await waitFor("effects", world.effects, (effects) => effects.length >= 1)
    await waitFor(
      "letters",
      () => consumer.status().counts,
      ({ deadLettered }) => deadLettered >= bad.length
    )
    expect(numbersOf(await world.effects())).toEqual({ P1: [2] })
    expect(await world.read(`dlq.${world.groupId}`, bad.length)).toHaveLength(bad.length)
    await waitFor("committed", world.committed, (sum) => sum === bad.length + 1)
  })

  it("is told by its data, its type or its missing id; what is unknown in known types passes", async ({
    world
  }) => {
    const headers = (type: string) => ({ headers: { ce_type: type } })
    const { ce_id: _, ...nameless } = record("P1", 2).headers
    await world.send([
      record("P1", 1, { data: { added_in_version_9: { deep: true } } }),
      { ...record("P1", 2), headers: nameless as never },
      record("P1", 3, { data: { amount: { value: 10.5, currency: "EUR" } } }),
      record("P1", 4, { value: "{" }),
      record("P1", 5, headers("billing.payment.settled.v9")),
      record("P1", 6, headers("billing.payment.denied.v1")),
      record("P1", 7)
    ])
    const seen: Array<unknown> = []
    const consumer = await world.start({
      ...handlersOf(async (event, context) => {
        seen.push((event.data as { added_in_version_9?: unknown }).added_in_version_9)
        await write(event, context)
      }),
      unknownTypes: "dead-letter"
    })
    await waitFor("committed", world.committed, (sum) => sum === 7)
    expect(numbersOf(await world.effects())).toEqual({ P1: [1, 7] })
    expect(seen).toEqual([{ deep: true }, undefined])
    const letters = await world.read(`dlq.${world.groupId}`, 4)
    expect(
      letters.map(({ headers: of }) => [of["__dlq.errors.offset"], of["__dlq.errors.exception.class.name"]])
    ).toEqual([
      ["1", "DecodeFailed"],
      ["2", "DecodeFailed"],
      ["3", "DecodeFailed"],
      ["4", "UnknownType"]
    ])
    expect(consumer.status().counts).toMatchObject({ handled: 2, skipped: 1, deadLettered: 4, retried: 0 })
  })
})
