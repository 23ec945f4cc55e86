import fs from "node:fs"
import path from "node:path"
import { asyncApi } from "./asyncApi.ts"
import { breaking, incomparable } from "./breaking.ts"
import { type JsonSchema, jsonSchemas } from "./jsonSchemas.ts"

interface Channel {
  readonly address: string
  readonly messages: Readonly<Record<string, unknown>>
  readonly bindings: {
    readonly kafka: {
      readonly partitions: number
      readonly topicConfiguration: { readonly "cleanup.policy": unknown; readonly "retention.ms": number }
    }
  }
}

/** All that consumers are told: the topics, and a schema for each type of record, by name. */
export interface Contract {
  readonly asyncapi: {
    readonly channels: Readonly<Record<string, Channel>>
    readonly components: {
      readonly messages: Readonly<
        Record<string, { readonly bindings: { readonly kafka: { readonly key: JsonSchema } } }>
      >
    }
  }
  readonly schemas: ReadonlyMap<string, JsonSchema>
}

const ASYNCAPI = "asyncapi.json"
const SCHEMAS = "schemas"
const RELEASED = "released"

/** What the sources say now. */
export const generate = (version: string): Contract => ({
  asyncapi: asyncApi(version) as unknown as Contract["asyncapi"],
  schemas: jsonSchemas()
})

const textOf = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/** The files of a contract, by their paths under its folder. */
const filesOf = ({ asyncapi, schemas }: Contract): ReadonlyMap<string, string> =>
  new Map([
    [ASYNCAPI, textOf(asyncapi)],
    ...[...schemas].map(
      ([name, schema]) => [path.posix.join(SCHEMAS, `${name}.json`), textOf(schema)] as const
    )
  ])

const listed = (folder: string) => (fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [])
const readJson = (file: string) => JSON.parse(fs.readFileSync(file, "utf8"))

export const read = (folder: string): Contract => ({
  asyncapi: readJson(path.join(folder, ASYNCAPI)),
  schemas: new Map(
    listed(path.join(folder, SCHEMAS)).map((file) => [
      path.basename(file, ".json"),
      readJson(path.join(folder, SCHEMAS, file))
    ])
  )
})

/** Writes the files of a contract, and removes schemas that it has not. */
export const write = (folder: string, contract: Contract) => {
  const files = filesOf(contract)
  fs.mkdirSync(path.join(folder, SCHEMAS), { recursive: true })
  for (const file of listed(path.join(folder, SCHEMAS)))
    if (!files.has(path.posix.join(SCHEMAS, file))) fs.rmSync(path.join(folder, SCHEMAS, file))
  for (const [file, text] of files) fs.writeFileSync(path.join(folder, file), text)
}

/** Freezes a contract as that of a released version, for good. */
export const release = (folder: string, version: string, contract: Contract) => {
  const target = path.join(folder, RELEASED, version)
  if (fs.existsSync(target))
    throw new Error(`${version} is released already: raise the version in package.json first`)
  write(target, contract)
}

const stale = (folder: string, contract: Contract): ReadonlyArray<string> => {
  const files = filesOf(contract)
  const isCurrent = (file: string, text: string) => {
    const place = path.join(folder, file)
    return fs.existsSync(place) && fs.readFileSync(place, "utf8") === text
  }
  return [
    ...[...files].filter(([file, text]) => !isCurrent(file, text)).map(([file]) => file),
    ...listed(path.join(folder, SCHEMAS))
      .map((file) => path.posix.join(SCHEMAS, file))
      .filter((file) => !files.has(file))
  ]
}

const ADVICE =
  "Put back what was there. What must change goes into a new type (..v2), published beside this one until nobody reads the old one: docs/contract.md"

/** Why a contract may not stand as it is: each problem with what to do about it. */
export const problems = (folder: string, contract: Contract): ReadonlyArray<string> => {
  const unfit = [
    ...incomparable(contract),
    ...listed(path.join(folder, RELEASED)).flatMap((version) => {
      const broken = breaking(read(path.join(folder, RELEASED, version)), contract)
      if (broken.length === 0) return []
      const lines = broken.map((line) => `  - ${line}`).join("\n")
      return [`This breaks what ${version} promised to consumers:\n${lines}\n${ADVICE}`]
    })
  ]
  const old = stale(folder, contract)
  return unfit.length > 0 || old.length === 0
    ? unfit
    : [
        `Not what the sources say: ${old.map((file) => `contracts/${file}`).join(", ")}\nRun \`npm run contracts\` and commit the result.`
      ]
}
