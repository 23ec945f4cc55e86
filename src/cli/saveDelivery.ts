import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import type { BombLoad } from "./BombLoad.ts"
import { CommandFailed } from "./CommandFailed.ts"

/** Writes a delivery as the two files that `bomb` and `explain` read, for the owner's eyes only. */
export const saveDelivery = (folder: string, { body, headers }: BombLoad) =>
  Effect.tryPromise({
    try: async () => {
      const payloadPath = join(folder, "webhook_payload.json")
      const headersPath = join(folder, "webhook_headers.json")
      await mkdir(folder, { recursive: true })
      await writeFile(payloadPath, body, { mode: 0o600 })
      await writeFile(headersPath, `${JSON.stringify(headers, null, 2)}\n`, { mode: 0o600 })
      return { payloadPath, headersPath }
    },
    catch: () => new CommandFailed({ message: `Cannot write into ${folder}` })
  })
