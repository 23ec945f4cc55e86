import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { assert, it } from "@effect/vitest"
import { expected, judge } from "../../bench/judge.ts"
import * as Bits from "../../bench/load/Bits.ts"
import { nextOf } from "../../bench/load/Order.ts"
import type { Prepared } from "../../bench/prepare/Prepared.ts"
import { type CellResult, of, ratio } from "../../bench/report/summary.ts"

const delivery = (id: string): Prepared => ({
  id,
  endpoint: "paypal",
  headers: {},
  body: "{}",
  key: `ev_${id}`
})

it("what was answered and is not there is lost; there twice, or never sent, is as wrong", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "oncegate-bench-"))
  try {
    const file = path.join(folder, "deliveries.jsonl")
    writeFileSync(file, ["a", "b", "c", "d"].map((id) => `${JSON.stringify(delivery(id))}\n`).join(""))
    const sent = Bits.make(4)
    const acked = Bits.make(4)
    for (const index of [0, 1, 2]) sent.set(index)
    for (const index of [0, 1]) acked.set(index)
    const wanted = await expected(
      [{ files: [file], count: 4 }],
      { sent: sent.text(), acked: acked.text() },
      ({ key }) => key
    )
    const seen = {
      byId: new Map([
        ["ev_b", 2], // doubled
        ["ev_c", 1], // sent, cut before its answer: may be there
        ["ev_d", 1] // never sent
      ]),
      records: 4,
      spanSeconds: 0,
      failure: undefined,
      delays: [],
      readAt: [],
      stop: async () => {}
    }
    assert.deepStrictEqual(judge(wanted, seen), { lost: 1, doubled: 1, unknown: 1 })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it("copies: each delivery four times, near each other, never in order", () => {
  const next = nextOf("copies", 100, false)
  const drawn: Array<number> = []
  for (let index = next(); index !== undefined; index = next()) drawn.push(index)
  assert.deepStrictEqual(
    [...Map.groupBy(drawn, (index) => index).values()].map(({ length }) => length),
    Array.from({ length: 100 }, () => 4)
  )
  assert.isTrue(drawn.slice(0, 256).every((index) => index < 64))
  assert.notDeepEqual(
    drawn,
    drawn.toSorted((a, b) => a - b)
  )
})

it("a wrong round counts for nothing, in the median and in the ratio", () => {
  const cell = (
    name: string,
    ...rounds: ReadonlyArray<readonly [rate: number, isRight: boolean]>
  ): CellResult => ({
    name,
    rounds: rounds.map(([rate, isRight], at) => ({ round: at + 1, rate, isRight, remarks: [] }))
  })
  const gate = cell("gate", [200, true], [9_000, false], [400, true])
  const other = cell("other", [100, true], [100, true], [100, true])
  const scenario = { name: "", title: "", reference: "other", cells: [gate, other] }
  assert.deepStrictEqual(
    of(gate, ({ rate }) => rate),
    { median: 300, least: 200, most: 400 }
  )
  assert.deepStrictEqual(ratio(scenario, gate), { median: 3, least: 2, most: 4 })
})
