// Draws a CPU profile of Node as a flame graph, and prints where the time went: node bench/flame.ts FILE [PICTURE.svg]
import { readFileSync, writeFileSync } from "node:fs"
import { table } from "../src/cli/Table.ts"

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  readonly children?: ReadonlyArray<number>
}
interface Profile {
  readonly nodes: ReadonlyArray<ProfileNode>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

const [file, picture] = process.argv.slice(2) as [string, string | undefined]
const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as Profile
const byId = new Map(nodes.map((node) => [node.id, node]))
const self = new Map<number, number>()
samples.forEach((id, at) => {
  self.set(id, (self.get(id) ?? 0) + (timeDeltas[at] ?? 0) / 1000)
})

/** Part of the program that a frame belongs to: a package, a folder of `src`, or the runtime. */
const areaOf = ({ callFrame: { functionName, url } }: ProfileNode) => {
  if (/^\((idle|program|garbage collector|root)\)$/.test(functionName)) return functionName
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (dependency !== undefined) return dependency
  const own = /\/src\/(\w+(?:\/\w+)?)\//.exec(url)?.[1] ?? /\/src\/(\w+)/.exec(url)?.[1]
  return own === undefined ? url || "native" : `src/${own}`
}
const placeOf = ({ callFrame: { functionName, lineNumber, url } }: ProfileNode) =>
  `${functionName || "(anonymous)"}  ${url.replace(/^.*\/(?=(?:src|node_modules)\/)/, "")}:${lineNumber + 1}`

const total = new Map<number, number>()
const totalOf = (id: number): number => {
  const node = byId.get(id)!
  const sum = (node.children ?? []).reduce((all, child) => all + totalOf(child), self.get(id) ?? 0)
  total.set(id, sum)
  return sum
}
totalOf(nodes[0]!.id)

const summed = (name: (node: ProfileNode) => string) => {
  const sums = new Map<string, number>()
  for (const node of nodes) sums.set(name(node), (sums.get(name(node)) ?? 0) + (self.get(node.id) ?? 0))
  return [...sums].sort(([, a], [, b]) => b - a)
}
const isIdle = (name: string) => name.startsWith("(idle)")
const busy = summed(areaOf).reduce((all, [name, ms]) => (isIdle(name) ? all : all + ms), 0)
const print = (title: string, rows: ReadonlyArray<readonly [string, number]>) =>
  console.log(
    `${table([
      ["ms", "% of busy", title],
      ...rows
        .filter(([name]) => !isIdle(name))
        .map(([name, ms]) => [ms.toFixed(0), ((100 * ms) / busy).toFixed(1), name])
    ])}\n`
  )
print("area, own time", summed(areaOf).slice(0, 25))
print("function, own time", summed(placeOf).slice(0, 40))

/** With what it called; a function within itself counts once. */
const inclusive = () => {
  const sums = new Map<string, number>()
  const walk = (id: number, above: ReadonlySet<string>) => {
    const place = placeOf(byId.get(id)!)
    const isFirst = !above.has(place)
    if (isFirst) sums.set(place, (sums.get(place) ?? 0) + total.get(id)!)
    const within = isFirst ? new Set([...above, place]) : above
    for (const child of byId.get(id)!.children ?? []) walk(child, within)
  }
  walk(nodes[0]!.id, new Set())
  return [...sums].sort(([, a], [, b]) => b - a)
}
print(
  "function of ours, with what it called",
  inclusive()
    .filter(([place]) => / {2}src\//.test(place))
    .slice(0, 40)
)

const WIDTH = 1200
const ROW = 15
const LEAST = 0.5
const escaped = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;")
/** One colour an area, the same in every picture. */
const hue = (text: string) => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7)

/** Children of the same function side by side become one. */
const draw = (ids: ReadonlyArray<number>, x: number, depth: number, out: Array<string>): number => {
  const groups = Map.groupBy(ids, (id) => placeOf(byId.get(id)!))
  let at = x
  let deepest = depth
  for (const [place, same] of groups) {
    if (isIdle(place)) continue
    const width = (same.reduce((sum, id) => sum + total.get(id)!, 0) / busy) * WIDTH
    if (width < LEAST) continue
    const area = areaOf(byId.get(same[0]!)!)
    const label = place.split("  ")[0]!.slice(0, Math.floor(width / 6))
    out.push(
      `<g><title>${escaped(place)} ${((100 * width) / WIDTH).toFixed(1)} %</title><rect x="${at.toFixed(1)}" y="${depth * ROW}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="hsl(${hue(area)} 60% 72%)"/>${
        width > 20 ? `<text x="${(at + 2).toFixed(1)}" y="${depth * ROW + 11}">${escaped(label)}</text>` : ""
      }</g>`
    )
    deepest = Math.max(
      deepest,
      draw(
        same.flatMap((id) => byId.get(id)!.children ?? []),
        at,
        depth + 1,
        out
      )
    )
    at += width
  }
  return deepest
}
if (picture !== undefined) {
  const out: Array<string> = []
  const deepest = draw(nodes[0]!.children ?? [], 0, 0, out)
  writeFileSync(
    picture,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${(deepest + 1) * ROW}" font-family="system-ui, sans-serif" font-size="10">\n${out.join("\n")}\n</svg>\n`
  )
}
