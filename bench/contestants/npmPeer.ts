import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { run } from "../Process.ts"

/** Files of a peer beside what npm brings for its `package.json`; no script of a package is run. */
export const installWithNpm = async (source: string, home: string, files: ReadonlyArray<string>) => {
  for (const file of ["package.json", ...files]) copyFileSync(path.join(source, file), path.join(home, file))
  const wanted = readFileSync(path.join(home, "package.json"), "utf8")
  const stamp = path.join(home, "installed")
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return
  await run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], {
    cwd: home,
    timeoutMs: 600_000
  })
  writeFileSync(stamp, wanted)
}
