import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { bench } from "./bench.ts"

NodeRuntime.runMain(bench.pipe(Command.run({ version: "0.1.0" }), Effect.provide(NodeServices.layer)))
