import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"

/** Bytes of the space for young objects, both halves together. */
const YOUNG = 32 * 1_048_576
/** By how much old objects may outgrow those that were alive, before they are looked through again. Per cent. */
const OLD_GROWTH = 100

/**
 * Keeps the heap small. Node lets the space for young objects grow to 128 MB, and the old ones to four times what is alive:
 * loading the program, and then a full load, fill both with garbage and nothing else (ADR 38). What may be alive is not
 * limited.
 *
 * Node's own limit, `--max-semi-space-size`, is read when a process starts, and a gate may be started in any way. So the
 * young space may not grow until the program is loaded, which the caller tells by calling what this returns; from then on
 * it may while it is smaller, as it is again after a quiet hour. Does nothing on Deno.
 */
export const boundHeap = (): (() => void) => {
  if ("Deno" in globalThis) return () => {}
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH}`)
  let mayGrow: boolean | undefined
  const switchGrowth = (grow: boolean) => {
    if (grow === mayGrow) return
    mayGrow = grow
    setFlagsFromString(`--semi-space-growth-factor=${grow ? 2 : 1}`)
  }
  const look = () => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")
    switchGrowth(young !== undefined && young.space_size < YOUNG)
  }
  switchGrowth(false)
  return () => {
    look()
    new PerformanceObserver(look).observe({ entryTypes: ["gc"] })
  }
}
