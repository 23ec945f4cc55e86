#!/usr/bin/env node
// `npm run package:check`: packs the package, looks at every file in it, installs it in an empty project outside the
// checkout, and there runs the command line and imports each entry on Node and on Deno, with types checked by both.
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const at = (...names) => path.join(root, ...names)
const manifest = JSON.parse(fs.readFileSync(at("package.json"), "utf8"))
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "oncegate-package-"))
const npm = process.platform === "win32" ? "npm.cmd" : "npm"
const [node, deno, tsc] = ["node", "deno", "tsc"].map((name) => at("node_modules", ".bin", name))
const started = Date.now()

class Failed extends Error {}

const run = (what, command, args, cwd = folder, paths = []) => {
  // A project of somebody's has no part in this checkout: neither its programs nor what npm told this one of itself.
  const own = Object.entries(process.env).filter(([name]) => !/^npm_(?!config_)|^NODE_OPTIONS$/i.test(name))
  const env = { ...Object.fromEntries(own), PATH: [...paths, process.env.PATH].join(path.delimiter) }
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    env,
    encoding: "utf8",
    timeout: 300_000,
    shell: process.platform === "win32"
  })
  if (status !== 0)
    throw new Failed(`${what}: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`.trimEnd())
  console.log(`ok      ${what}`)
  return stdout
}
const must = (isTrue, message) => {
  if (!isTrue) throw new Failed(message)
}

/** Public modules: a condition of this checkout leads to the source, and everybody else to what is compiled. */
const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === "string" ? [] : [{ name: name.slice(2), ...target, source: target["oncegate-source"] }]
)

const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|ops\/oncegate\.mjs|ops\/kafka\/pom\.xml)$/,
  /^dist\/[A-Za-z0-9/]+\.(js|d\.ts)$/,
  /^dist\/infra\/providers\/anchors\/\w+\.pem$/,
  /^contracts\/(asyncapi|schemas\/[a-z0-9._]+)\.json$/,
  /^migrations\/\d{4}_\w+\.sql$/,
  /^docs\/((adr|bench)\/)?[a-z0-9.-]+\.(md|svg)$/
]

const lookInto = (files) => {
  const strange = files.filter((file) => !ALLOWED.some((form) => form.test(file)))
  must(strange.length === 0, `the package holds what it should not: ${strange.join(", ")}`)
  const under = (name, pattern) =>
    fs
      .readdirSync(at(name), { recursive: true })
      .filter((file) => pattern.test(file))
      .map((file) => `${name}/${file}`)
  const wanted = [
    ...["package.json", "README.md", "LICENSE", "CHANGELOG.md", "contracts/asyncapi.json", "dist/main.js"],
    ...[...Object.values(manifest.bin), "ops/kafka/pom.xml"],
    ...entries.flatMap((entry) => [entry.types, entry.default].map((file) => file.slice(2))),
    ...under("contracts/schemas", /\.json$/),
    ...under("migrations", /\.sql$/),
    ...under("src", /\.pem$/).map((file) => file.replace(/^src/, "dist"))
  ]
  const missing = wanted.filter((file) => !files.includes(file))
  must(missing.length === 0, `the package lacks ${missing.join(", ")}`)
  const places = [root, os.homedir(), os.tmpdir(), os.hostname()].filter((place) => place.length > 5)
  for (const file of files) {
    const text = fs.readFileSync(path.join(folder, "node_modules", "oncegate", file), "utf8")
    const place = places.find((one) => text.includes(one))
    must(place === undefined, `${file} names ${place}, a place of this machine`)
  }
}

const PROBE = (name) => `import * as entry from "${name}"
const names = Object.keys(entry)
if (names.length === 0) throw new Error("nothing is exported")
console.log(names.length)
`
const TSCONFIG = {
  compilerOptions: {
    ...{ target: "ES2024", module: "NodeNext", lib: ["ES2024", "DOM", "DOM.Iterable"] },
    ...{ types: ["node"], typeRoots: [at("node_modules", "@types")] },
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, resolveJsonModule: true },
    // Otherwise a declaration that leads to nothing is silently `any`.
    skipLibCheck: false
  },
  include: ["*.ts"]
}

const write = (name, content) =>
  fs.writeFileSync(
    path.join(folder, name),
    typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`
  )

try {
  const [packed] = JSON.parse(run("npm pack", npm, ["pack", "--json", "--pack-destination", folder], root))
  write("package.json", { name: "somebody", version: "1.0.0", type: "module", private: true })
  write("deno.json", { nodeModulesDir: "manual" })
  write("tsconfig.json", TSCONFIG)
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
  run("npm install", npm, ["install", ...quiet, `./${packed.filename}`])
  lookInto(packed.files.map(({ path: file }) => file))
  console.log(
    `ok      ${packed.files.length} files, ${Math.round(packed.size / 1024)} KiB packed, nothing strange`
  )

  const probes = entries.flatMap(({ name }) => {
    const own = at("test", "package", `${name}.ts`)
    write(`${name}.probe.ts`, PROBE(`oncegate/${name}`))
    if (!fs.existsSync(own)) return [`${name}.probe.ts`]
    write(`${name}.ts`, fs.readFileSync(own, "utf8"))
    return [`${name}.probe.ts`, `${name}.ts`]
  })
  // Deno's own way of naming a package.
  const forDeno = entries.map(({ name }) => {
    write(`${name}.npm.ts`, PROBE(`npm:oncegate@${manifest.version}/${name}`))
    return `${name}.npm.ts`
  })
  run("types (deno)", deno, ["check", "--quiet", ...probes, ...forDeno])
  for (const file of forDeno) run(`deno ${file}`, deno, ["run", "-A", file])
  for (const file of forDeno) fs.rmSync(path.join(folder, file))
  run("types (tsc)", tsc, ["-p", "."])
  for (const file of probes) {
    run(`node ${file}`, node, [file])
    run(`deno ${file}`, deno, ["run", "-A", file])
  }
  const bin = path.join("node_modules", "oncegate", manifest.bin.oncegate)
  for (const [name, command, args] of [
    ["node", node, [bin]],
    ["deno", deno, ["run", "-A", bin]],
    ["npx", npm, ["exec", "--offline", "--", "oncegate"]]
  ]) {
    const help = run(`${name}: oncegate --help`, command, [...args, "--help"], folder, [
      at("node_modules", "node", "bin")
    ])
    must(help.includes("An idempotency gate"), `${name}: oncegate --help does not help`)
  }
  console.log(`the package is whole, ${((Date.now() - started) / 1000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof Failed)) throw error
  console.error(`FAILED  ${error.message}`)
  process.exitCode = 1
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
