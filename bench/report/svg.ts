import { of, type ScenarioResult, type Spread } from "./summary.ts"

interface Bar {
  readonly name: string
  readonly value: Spread
}

const ROW = 26
const LEFT = 250
const WIDTH = 760
const PLOT = WIDTH - LEFT - 90

const escaped = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
const number = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1))

/** A bar is the median of the rounds, the line over it reaches from the least to the most. */
const bars = (title: string, values: ReadonlyArray<Bar>, top: number) => {
  const most = Math.max(...values.map(({ value }) => value.most), Number.MIN_VALUE)
  const x = (value: number) => LEFT + (value / most) * PLOT
  const rows = values.map(({ name, value }, at) => {
    const y = top + 26 + at * ROW
    return [
      `<text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LEFT}" y="${y + 2}" width="${Math.max(1, x(value.median) - LEFT).toFixed(1)}" height="16" class="bar"/>`,
      `<line x1="${x(value.least).toFixed(1)}" x2="${x(value.most).toFixed(1)}" y1="${y + 10}" y2="${y + 10}" class="spread"/>`,
      `<text x="${(x(value.most) + 6).toFixed(1)}" y="${y + 14}">${number(value.median)}</text>`
    ].join("")
  })
  return [`<text x="8" y="${top + 16}" class="title">${escaped(title)}</text>`, ...rows].join("\n")
}

/** Rates and 99th percentiles of a scenario as one picture; `undefined` where it has none. */
export const picture = (scenario: ScenarioResult): string | undefined => {
  const plots = (
    [
      ["answers a second", "rate"],
      ["99th percentile, ms", "p99"],
      ["from start to ready, ms", "ready"]
    ] as const
  )
    .map(([title, what]) => ({
      title: `${scenario.title}: ${title}`,
      bars: scenario.cells.flatMap((cell) => {
        const value = of(cell, (measured) =>
          what === "rate"
            ? measured.rate
            : what === "p99"
              ? measured.latency?.p99
              : measured.rate === undefined && measured.measured === undefined
                ? measured.readyMs
                : undefined
        )
        return value === undefined ? [] : [{ name: cell.name, value }]
      })
    }))
    .filter((plot) => plot.bars.length > 0)
  if (plots.length === 0) return undefined
  let top = 8
  const drawn = plots.map((plot) => {
    const text = bars(plot.title, plot.bars, top)
    top += 26 + plot.bars.length * ROW + 16
    return text
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="system-ui, sans-serif" font-size="12">`,
    "<style>text{fill:#222}.title{font-weight:600;font-size:13px}.bar{fill:#4c78a8}.spread{stroke:#222;stroke-width:1.5}</style>",
    `<rect width="${WIDTH}" height="${top}" fill="#fff"/>`,
    ...drawn,
    "</svg>\n"
  ].join("\n")
}
