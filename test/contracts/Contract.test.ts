import { spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { generate, problems, release, write } from "../../ops/contracts/Contract.ts"
import { billingEventTypes } from "../../src/domain/BillingEventTypes.ts"
import { FactType } from "../../src/domain/BillingFact.ts"
import { OutcomeType } from "../../src/domain/Outcome.ts"
import { outcomeTypes } from "../../src/domain/OutcomeTypes.ts"
import { ajv, contracts, offences, readJson, schemas } from "./validators.ts"

const HEADERS = "oncegate.headers.v1"
const types = [...billingEventTypes, ...outcomeTypes]

describe("the committed contract", () => {
  it("is what the sources say, and keeps what was released", () => {
    const script = fileURLToPath(new URL("../../ops/contracts.mjs", import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" })
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.include(fs.readdirSync(path.join(contracts, "released")), "0.1.0")
  })

  it("has a schema for each type, with the id that ce_dataschema names", () => {
    const names = [...FactType.literals, ...OutcomeType.literals, HEADERS]
    assert.sameMembers([...schemas.keys()], names)
    for (const [name, { $id }] of schemas) assert.strictEqual($id, `urn:oncegate:schema:${name}`)
  })

  it("tells of every field what it is, with an example that is valid", () => {
    interface Described {
      readonly description?: string
      readonly examples?: ReadonlyArray<unknown>
      readonly properties?: Readonly<Record<string, Described>>
      readonly anyOf?: ReadonlyArray<Described>
    }
    const walk = (where: string, schema: Described): void => {
      const fields = { ...schema.properties, ...schema.anyOf?.[0]?.properties }
      for (const [name, field] of Object.entries(fields)) {
        const { description = "", examples = [], ...rest } = field
        assert.isAbove(description.length, 7, `${where}.${name}`)
        assert.isAbove(examples.length, 0, `${where}.${name}`)
        for (const example of examples) assert.isTrue(ajv.validate(rest, example), `${where}.${name}`)
        walk(`${where}.${name}`, field)
      }
    }
    for (const [name, schema] of schemas) walk(name, schema as Described)
  })

  for (const { schema, type } of types)
    it(`${type}: its example suits validator, decoder and message`, () => {
      const { examples } = schemas.get(type) as unknown as { readonly examples: ReadonlyArray<unknown> }
      assert.isAbove(examples.length, 0)
      const message = readJson("asyncapi.json").components.messages[type]
      for (const data of examples) {
        const [{ headers }] = message.examples
        const key = `${headers.ce_source.slice("/oncegate/".length)}/${headers.ce_subject}`
        assert.deepStrictEqual(offences({ key, headers, data }), [])
        assert.deepStrictEqual(
          Schema.decodeUnknownSync(schema as Schema.ConstraintDecoder<unknown>)(data),
          data
        )
      }
    })

  it("uses no pattern that another language's validator could not read", () => {
    const patterns = [...JSON.stringify([...schemas.values()]).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)]
    assert.isAbove(patterns.length, 100)
    for (const [, text] of patterns) assert.notMatch(JSON.parse(text!) as string, /\\[pPudwsbB]|\(\?|\\[1-9]/)
  })
})

describe("a contract folder", () => {
  let folder = ""
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "oncegate-contracts-"))
    fs.cpSync(contracts, folder, { recursive: true })
  })
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))
  const contract = generate(readJson("asyncapi.json").info.version)
  const at = (name: string) => path.join(folder, name)
  it("stands as it was written", () => assert.deepStrictEqual(problems(folder, contract), []))

  it("is refused where a file is stale, missing or too many, until it is written anew", () => {
    fs.appendFileSync(at("asyncapi.json"), " ")
    fs.rmSync(at("schemas/billing.payment.captured.v1.json"))
    fs.writeFileSync(at("schemas/billing.old.v1.json"), "{}")
    assert.deepStrictEqual(problems(folder, contract), [
      "Not what the sources say: contracts/asyncapi.json, contracts/schemas/billing.payment.captured.v1.json, contracts/schemas/billing.old.v1.json\nRun `npm run contracts` and commit the result."
    ])
    write(folder, contract)
    assert.deepStrictEqual(problems(folder, contract), [])
  })

  it("is compared with every released version, not with the last alone", () => {
    const name = "billing.payment.captured.v1"
    const file = at(`released/0.0.9/schemas/${name}.json`)
    fs.cpSync(at("released/0.1.0"), at("released/0.0.9"), { recursive: true })
    const schema = JSON.parse(fs.readFileSync(file, "utf8"))
    schema.properties.fee = { type: "string" }
    fs.writeFileSync(file, JSON.stringify(schema))
    assert.deepStrictEqual(problems(folder, contract), [
      `This breaks what 0.0.9 promised to consumers:\n  - ${name}.fee was removed\nPut back what was there. What must change goes into a new type (..v2), published beside this one until nobody reads the old one: docs/contract.md`
    ])
  })

  it("is frozen once a version", () => {
    release(folder, "0.2.0", contract)
    assert.deepStrictEqual(problems(folder, contract), [])
    assert.throws(() => release(folder, "0.2.0", contract), /0\.2\.0 is released already/)
  })
})
