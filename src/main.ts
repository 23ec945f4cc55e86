import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { options, run } from "./cli/oncegate.ts"

NodeRuntime.runMain(run(), options)
