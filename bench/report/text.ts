import { table } from "../../src/cli/Table.ts"
import type { Measured } from "../Measured.ts"
import { outageText } from "./outage.ts"
import { type CellResult, of, perThousand, ratio, type ScenarioResult, type Spread } from "./summary.ts"

const number = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : value.toFixed(2)

const shown = (spread: Spread | undefined, unit = "") =>
  spread === undefined
    ? ""
    : spread.least === spread.most
      ? `${number(spread.median)}${unit}`
      : `${number(spread.median)}${unit} (${number(spread.least)}-${number(spread.most)})`

type Column = readonly [head: string, cell: (scenario: ScenarioResult, cell: CellResult) => string]

const figure =
  (pick: (measured: Measured) => number | undefined) =>
  (_: ScenarioResult, cell: CellResult): string =>
    shown(of(cell, pick))

const columns: ReadonlyArray<Column> = [
  ["answers/s", figure(({ rate }) => rate)],
  ["ratio", (scenario, cell) => shown(ratio(scenario, cell))],
  ["p50 ms", figure(({ latency }) => latency?.p50)],
  ["p99 ms", figure(({ latency }) => latency?.p99)],
  ["CPU s/1k: itself", figure(perThousand("contestant"))],
  ["Postgres", figure(perThousand("postgres"))],
  ["Kafka", figure(perThousand("kafka"))],
  ["load", figure(perThousand("load"))],
  [
    "WAL kB each",
    figure(({ measured, walBytes }) =>
      walBytes === undefined || !measured ? undefined : walBytes / measured / 1000
    )
  ],
  ["MB", figure(({ memoryMb }) => memoryMb?.most)],
  ["ready ms", figure(({ readyMs }) => readyMs)],
  ["settled s", figure(({ settleSeconds }) => settleSeconds)],
  ["backlog facts/s", figure(({ drainRate }) => drainRate)],
  ["visible p50 ms", figure(({ visible }) => visible?.p50)],
  ["visible p99 ms", figure(({ visible }) => visible?.p99)]
]

const every = (cell: CellResult, pick: (measured: Measured) => number | undefined) =>
  cell.rounds.some((measured) => pick(measured) !== undefined)
    ? cell.rounds.map((measured) => pick(measured) ?? "-").join(", ")
    : ""

/** Also of rounds that were wrong. */
const counts: ReadonlyArray<Column> = [
  ["cut", (_, cell) => (cell.rounds.some(({ cut }) => cut) ? every(cell, ({ cut }) => cut) : "")],
  ["lost", (_, cell) => every(cell, ({ lost }) => lost)],
  ["doubled", (_, cell) => every(cell, ({ doubled }) => doubled)],
  [
    "right",
    (_, { absent, rounds }) =>
      absent === undefined
        ? `${rounds.filter(({ isRight }) => isRight).length} of ${rounds.length}`
        : "left out"
  ]
]

/** One scenario as a table; columns without a figure are left out, remarks stand below. */
export const scenarioText = (scenario: ScenarioResult) => {
  const filled = [...columns, ...counts].filter(([, cell]) =>
    scenario.cells.some((one) => cell(scenario, one) !== "")
  )
  const rows = scenario.cells.map((cell) => [cell.name, ...filled.map(([, text]) => text(scenario, cell))])
  const outages = scenario.cells.flatMap((cell) => cell.rounds.flatMap(({ outage }) => outage ?? []))
  const remarks = scenario.cells.flatMap((cell) => [
    ...(cell.absent === undefined ? [] : [`  ${cell.name}: left out: ${cell.absent}`]),
    ...cell.rounds.flatMap(({ remarks, round }) =>
      remarks.map((remark) => `  ${cell.name}, round ${round}: ${remark}`)
    )
  ])
  return [
    `${scenario.name}: ${scenario.title}`,
    table([["", ...filled.map(([head]) => head)], ...rows]),
    ...outages.map(outageText),
    ...remarks
  ].join("\n")
}
