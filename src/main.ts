import { boundHeap } from "./cli/boundHeap.ts"

const loaded = boundHeap()
const { runMain } = await import("@effect/platform-node/NodeRuntime")
const { options, run } = await import("./cli/oncegate.ts")
loaded()
runMain(run(), options)
