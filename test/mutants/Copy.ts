import { execFileSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import type { Breaker } from "./breakers.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A copy of the project to be broken: everything that git knows or would take, and the modules by a link. */
export const copyProject = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), "oncegate-mutants-"))
  chmodSync(folder, 0o755)
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8"
  })
  for (const file of listed.split("\0").filter((name) => name !== "" && existsSync(path.join(root, name)))) {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true })
    copyFileSync(path.join(root, file), path.join(folder, file))
  }
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"), "dir")
  return folder
}

/** Makes the edits in a copy; the returned function takes them back. Throws where one no longer applies. */
export const breakCopy = (folder: string, { edits }: Pick<Breaker, "edits">) => {
  const before = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const target = path.join(folder, file)
    const text = readFileSync(target, "utf8")
    if (!before.has(target)) before.set(target, text)
    if (text.split(find).length !== 2)
      throw new Error(`an edit of ${file} no longer applies: ${find.slice(0, 60)}`)
    writeFileSync(
      target,
      text.replace(find, () => replace)
    )
  }
  return () => {
    for (const [target, text] of before) writeFileSync(target, text)
  }
}
