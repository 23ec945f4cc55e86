import { spawnSync } from "node:child_process"
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs"
import path from "node:path"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { writeBulk } from "../infra/kafka/LogWriter.ts"
import { isCaughtUp } from "../infra/kafka/RelayFixture.ts"
import { openWorld, waitFor } from "../infra/kafka/RelayWorld.ts"
import * as KafkaNodes from "../support/KafkaNodes.ts"
import { countOf, exactly } from "./Topic.ts"

const PATIENCE_MS = 120_000
const CHUNK = Buffer.alloc(65_536)

/** A disk of so many megabytes; only root may make one. */
const disk = (folder: string, megabytes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(folder)
      const { status, stderr } = spawnSync("mount", [
        "-t",
        "tmpfs",
        "-o",
        `size=${megabytes}m`,
        "tmpfs",
        folder
      ])
      return status === 0 ? null : String(stderr)
    }),
    (refused) => Effect.sync(() => refused === null && spawnSync("umount", ["-l", folder]))
  )

/** Takes all but `rest` bytes of what is left. */
const fill = (file: string, rest: number) => {
  const at = openSync(file, "a")
  let size = 0
  try {
    while (true) size += writeSync(at, CHUNK)
  } catch {
    ftruncateSync(at, Math.max(0, size - rest))
  } finally {
    closeSync(at)
  }
}

describe.skipIf(process.env.ONCEGATE_FIRE !== "all" || process.getuid?.() !== 0)(
  "a broker's disk is full",
  () => {
    it.live(
      "everything waits in the log; with room and a new start it arrives, once",
      (context) =>
        Effect.gen(function* () {
          const folder = yield* dataFolder
          const mounted = path.join(folder, "disk")
          const refused = yield* disk(mounted, 160)
          if (refused !== null) return context.skip(refused)
          const { brokers, nodes } = yield* KafkaNodes.start({
            folder,
            data: () => path.join(mounted, "data")
          })
          const node = nodes[0]!
          const ballast = path.join(mounted, "ballast")
          const world = yield* Effect.promise(() => openWorld({ brokers }))
          yield* Effect.addFinalizer(() => Effect.promise(() => world.close()))
          const write = (count: number, name: string) =>
            Effect.promise(() => writeBulk(world.sql, count, name))
          yield* write(100, "A")
          const relay = world.startRelay()
          yield* Effect.promise(() => relay.until(isCaughtUp(200), PATIENCE_MS))

          // Room for a few transactions, then none.
          fill(ballast, 300_000)
          yield* write(2000, "B")
          yield* Effect.promise(async () => {
            await waitFor("the broker to halt", node.isRunning, (running) => !running, PATIENCE_MS)
            await relay.until(({ state }) => state === "waiting", PATIENCE_MS)
            await waitFor(
              "the alarm",
              () => world.logs,
              (lines) => lines.some((line) => line.startsWith("ALARM relay_kafka_unavailable")),
              PATIENCE_MS
            )
          })
          yield* write(100, "C")

          rmSync(ballast)
          yield* node.start
          yield* Effect.promise(async () => {
            await relay.until(({ backlog, state }) => state === "active" && backlog === 0, PATIENCE_MS)
            expect(await countOf(world, 2200)).toEqual(exactly(2200))
          })
          expect(world.logs.filter((line) => line.startsWith("ALARM relay_kafka_unavailable")).length).toBe(1)
        }).pipe(Effect.scoped),
      600_000
    )
  }
)
