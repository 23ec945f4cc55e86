import { existsSync, mkdirSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { NODE, run } from "../Process.ts"
import { nameOf, type Pool } from "./Kind.ts"

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url))
/** Deliveries in a file. */
const CHUNK = 10_000
const CHUNK_BYTES = 64_000_000

export interface PoolStore {
  /** Files that hold at least `count` deliveries; what is missing is made now, on all cores, and kept for later runs. */
  readonly files: (pool: Pool, count: number) => Promise<ReadonlyArray<string>>
}

/** `certificateId`: deliveries are good for one certificate. */
export const open = (
  folder: string,
  stateDir: string,
  certificateId: string,
  say: (text: string) => void
) => {
  const home = path.join(folder, certificateId)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const files: PoolStore["files"] = async (pool, count) => {
    const size = Math.min(CHUNK, Math.ceil(CHUNK_BYTES / Math.max(2_000, pool.bytes)))
    const wanted = Array.from({ length: Math.ceil(count / size) }, (_, at) => ({
      at,
      file: path.join(home, `${nameOf(pool)}-${size}-${at}.jsonl`)
    }))
    const missing = wanted.filter(({ file }) => !existsSync(file))
    if (missing.length > 0) say(`making ${missing.length * size} ${pool.kind} deliveries, once`)
    await Promise.all(
      Array.from({ length: os.availableParallelism() }, async () => {
        for (let next = missing.shift(); next !== undefined; next = missing.shift())
          await run(NODE, [MAIN, stateDir, JSON.stringify(pool), String(next.at), String(size), next.file])
      })
    )
    return wanted.map(({ file }) => file)
  }
  return { files } satisfies PoolStore
}
