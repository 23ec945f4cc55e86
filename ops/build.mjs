#!/usr/bin/env node
// Compiles src into dist, for the package: Node does not strip types under node_modules. `npm pack` runs it. Folders keep
// their depth, so what a module reads beside or above itself (anchors, migrations, contracts) is found from dist as well.
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const at = (...names) => path.join(root, ...names)

fs.rmSync(at("dist"), { recursive: true, force: true })
const { status } = spawnSync(at("node_modules", ".bin", "tsc"), ["-p", at("tsconfig.build.json")], {
  stdio: ["ignore", 2, 2],
  shell: process.platform === "win32"
})
if (status !== 0) process.exit(1)
for (const name of fs.readdirSync(at("src"), { recursive: true })) {
  if (!name.endsWith(".ts") && fs.statSync(at("src", name)).isFile())
    fs.cpSync(at("src", name), at("dist", name))
}
