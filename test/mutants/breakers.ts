import { controls } from "../chaos/controls.ts"
import { mutants } from "./mutants.ts"

/** Something to take away from the sources: `find` stands exactly once in `file`, or after the edits before it. */
export interface Breaker {
  readonly name: string
  readonly without: string
  readonly edits: ReadonlyArray<{ readonly file: string; readonly find: string; readonly replace: string }>
}

/** Every known way to break the gate: the mutants, and the controls of the chaos run. */
export const breakers: ReadonlyArray<Breaker> = [
  ...mutants,
  ...Object.entries(controls).map(([name, { changes, file }]) => ({
    name,
    without: "a mistake of the relay (test/chaos/controls.ts)",
    edits: changes.map(([find, replace]) => ({ file: `src/${file}`, find, replace }))
  }))
]
