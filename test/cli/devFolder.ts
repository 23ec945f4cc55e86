import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { scratchFolder } from "../infra/simulator/scratchFolder.ts"

/** A data folder as `npm start` leaves it. */
export const devFolder = Effect.fnUntraced(function* (
  databaseUrl: string,
  environment: Readonly<Record<string, string>> = {}
) {
  const folder = yield* scratchFolder
  yield* Effect.promise(async () => {
    await mkdir(folder, { recursive: true })
    await writeFile(
      join(folder, "dev.json"),
      JSON.stringify({ ingress: "http://127.0.0.1:1", database_url: databaseUrl, environment })
    )
  })
  return folder
})
