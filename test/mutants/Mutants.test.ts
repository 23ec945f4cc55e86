import { readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { controlNames, controls } from "../chaos/controls.ts"
import { mutants } from "./mutants.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const text = (file: string) => readFileSync(path.join(root, file), "utf8")

describe("every mutant can still be made", () => {
  for (const { caught, edits, name } of mutants)
    it(name, () => {
      for (const { file, find } of edits)
        assert.strictEqual(
          text(file).split(find).length - 1,
          1,
          `in ${file}, exactly once: ${find} (mend the mutant in test/mutants/mutants.ts together with the code)`
        )
      assert.isNotEmpty(caught)
      for (const { file, stands, test } of caught) {
        assert.include(
          text(file),
          JSON.stringify(stands ?? test).slice(1, -1),
          `${file} has no test of this name`
        )
        assert.include(test, stands ?? test)
      }
    })
})

describe("every control of the chaos run can still be made", () => {
  for (const name of controlNames)
    it(name, () => {
      const { changes, file } = controls[name]
      for (const [from] of changes) assert.strictEqual(text(`src/${file}`).split(from).length - 1, 1, from)
    })
})
