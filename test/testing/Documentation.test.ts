import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const page = readFileSync(path.join(root, "docs/property-testing.md"), "utf8")
const examples = [...page.matchAll(/^## (.+)$|^```ts\n([\s\S]*?)^```$/gm)].reduce<
  ReadonlyArray<{ readonly title: string; readonly code: string }>
>(
  (found, [, title, code]) =>
    title === undefined
      ? found.with(-1, { title: found.at(-1)!.title, code: code! })
      : found.concat({ title, code: "" }),
  []
)

/** As an outside user's file would be, in a folder of its own; only the packages are found from here. */
const run = (code: string) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-docs-"))
  try {
    const resolved = code.replace(/from "(effect[^"]*|oncegate\/(\w+))"/g, (_, name: string, part: string) =>
      part === undefined
        ? `from "${import.meta.resolve(name)}"`
        : `from "${pathToFileURL(path.join(root, "src", part, "index.ts"))}"`
    )
    const file = path.join(folder, "example.ts")
    writeFileSync(file, resolved)
    return execFileSync(path.join(root, "node_modules", ".bin", "node"), [file], {
      encoding: "utf8"
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe("the examples of docs/property-testing.md", () => {
  const told: Readonly<Record<string, RegExp>> = {
    "Given, when, then": /^$/,
    Laws: /broken, .* under fence \d[\s\S]*claimed under fence[\s\S]*replay: /,
    "Your own properties": /is delivered to gate/,
    Webhooks: /taken for genuine: .+\n/
  }
  const withCode = examples.filter(({ code }) => code !== "")

  it("are all here", () =>
    assert.deepStrictEqual(
      withCode.map(({ title }) => title),
      Object.keys(told)
    ))

  for (const { code, title } of withCode) it(title, () => assert.match(run(code), told[title]!))
})
