import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../src", import.meta.url))
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.replaceAll(path.sep, "/"))

/** What a file imports: a package by its name, a file of ours by its path under src. */
const importsOf = (file: string) => {
  const text = readFileSync(path.join(root, file), "utf8")
  return [...text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(([, name]) =>
    name!.startsWith(".") ? path.posix.join(path.posix.dirname(file), name!) : name!
  )
}
const roomOf = (file: string) => file.split("/")[0]!

const inRooms = (...rooms: ReadonlyArray<string>) => files.filter((file) => rooms.includes(roomOf(file)))

describe("imports go one way", () => {
  it("finds the rooms of the house", () => {
    assert.containsAllKeys(Object.groupBy(files, roomOf), ["domain", "infra", "http", "cli", "main.ts"])
  })

  it("domain imports effect and its own files, nothing else", () => {
    const strangers = inRooms("domain").flatMap((file) =>
      importsOf(file)
        .filter((name) => !/^(effect(\/[A-Za-z/]+)?|domain\/.+\.ts)$/.test(name))
        .map((name) => `${file} imports ${name}`)
    )
    assert.deepStrictEqual(strangers, [])
  })

  it("domain has no clock, no chance and no promise of its own", () => {
    const impure = /\basync\s|\bawait\s|\bDate\.now\b|\bMath\.random\b|\btry\s*\{|\bnew Date\b/
    assert.deepStrictEqual(
      inRooms("domain").filter((file) => impure.test(readFileSync(path.join(root, file), "utf8"))),
      []
    )
  })

  it("the consumer kit knows the domain and two small files of kafka, so that it can stand alone", () => {
    const shared = ["infra/kafka/KafkaFailed.ts", "infra/kafka/KafkajsIdleTimer.ts"]
    const strangers = inRooms("consumer").flatMap((file) =>
      importsOf(file)
        .filter((name) => name.endsWith(".ts") && !["consumer", "domain"].includes(roomOf(name)))
        .filter((name) => !shared.includes(name))
        .map((name) => `${file} imports ${name}`)
    )
    assert.deepStrictEqual(strangers, [])
  })

  it("testing knows the domain and what plays the providers, and nobody knows it", () => {
    const strangers = inRooms("testing").flatMap((file) =>
      importsOf(file)
        .filter((name) => name.endsWith(".ts") && !/^(testing|domain|infra\/simulator)\//.test(name))
        .map((name) => `${file} imports ${name}`)
    )
    const users = files
      .filter((file) => roomOf(file) !== "testing")
      .filter((file) => importsOf(file).some((name) => name.startsWith("testing/")))
    assert.deepStrictEqual([strangers, users], [[], []])
  })

  it("http and infra know the domain and their own room", () => {
    const sideways = inRooms("http", "infra").flatMap((file) =>
      importsOf(file)
        .filter((name) => name.endsWith(".ts") && ![roomOf(file), "domain"].includes(roomOf(name)))
        .map((name) => `${file} imports ${name}`)
    )
    assert.deepStrictEqual(sideways, [])
  })
})
