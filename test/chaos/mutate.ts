// Loaded with `--import` before a relay that is to be wrong: CONTROL names how.
import { registerHooks } from "node:module"
import { type Control, type ControlName, controls } from "./controls.ts"

const control: Control = controls[process.env.CONTROL as ControlName]
const target = new URL(`../../src/${control.file}`, import.meta.url).href

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (url !== target) return loaded
    let source = String(loaded.source)
    for (const [from, to] of control.changes) {
      if (source.split(from).length !== 2) throw new Error(`${control.file} does not hold once: ${from}`)
      source = source.replace(from, () => to)
    }
    return { ...loaded, source }
  }
})
