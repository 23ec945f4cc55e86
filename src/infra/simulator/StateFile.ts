import { chmod, mkdir, open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"

/** Reads a JSON file, or undefined where there is none. Other errors, broken JSON among them, are thrown. */
export const readJson = async (path: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(path, "utf8"))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** Writes a file that only its owner reads, whole or not at all: a kill -9 in between leaves the old one. */
export const writePrivate = async (path: string, text: string) => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}.new`
  const file = await open(draft, "w", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(draft, 0o600)
  await rename(draft, path)
}
