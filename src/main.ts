import process from "node:process"
import { boundHeap } from "./cli/boundHeap.ts"
import { inBackground, isLong } from "./cli/inBackground.ts"

// Before the program is loaded, which is most of the work of a short command.
if (isLong(process.argv.slice(2))) inBackground()
const loaded = boundHeap()
const { runMain } = await import("@effect/platform-node/NodeRuntime")
const { options, run } = await import("./cli/oncegate.ts")
loaded()
runMain(run(), options)
