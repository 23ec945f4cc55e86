import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "../Process.ts"
import { answers, httpPeer } from "./httpPeer.ts"

const source = fileURLToPath(new URL("../peers/redpanda", import.meta.url))

/** Redpanda Connect: dedupe on a SQL cache in Postgres, idempotent Kafka output. Needs Go, which builds it for minutes. */
export const redpanda = httpPeer({
  name: "redpanda",
  ports: 2,
  install: async (home) => {
    for (const file of ["go.mod", "main.go", "pipeline.yaml"])
      copyFileSync(path.join(source, file), path.join(home, file))
    const wanted = readFileSync(path.join(source, "go.mod"), "utf8")
    const stamp = path.join(home, "installed")
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return
    await run("go", ["build", "-mod=mod", "-o", "connect", "."], { cwd: home, timeoutMs: 3_600_000 })
    writeFileSync(stamp, wanted)
  },
  processes: async ({ databaseUrl, ground, home, port, sql, topic }) => {
    await sql`CREATE TABLE dedupe_keys (id TEXT PRIMARY KEY, value BYTEA)`
    const url = new URL(databaseUrl)
    url.searchParams.set("sslmode", "disable")
    return [
      {
        command: path.join(home, "connect"),
        args: ["run", path.join(home, "pipeline.yaml")],
        cwd: home,
        env: {
          PEER_DATABASE_URL: url.href,
          PEER_BROKERS: ground.brokers.join(","),
          PEER_TOPIC: topic,
          PEER_PORT: String(port(0)),
          PEER_ADMIN_PORT: String(port(1))
        },
        isReady: answers(`http://127.0.0.1:${port(1)}/ready`)
      }
    ]
  },
  speak: () => ({ paths: { any: "/webhooks/paypal" }, headers: {} })
})
