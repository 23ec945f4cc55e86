import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "../Process.ts"
import { answers, httpPeer } from "./httpPeer.ts"

const source = (name: string) => fileURLToPath(new URL(`../peers/fastapi/${name}`, import.meta.url))

/** The earlier gate's table, to the letter. */
const TABLE = fileURLToPath(new URL("../../migrations/0001_webhook_dedup_events.sql", import.meta.url))
const bin = (home: string, name: string) => path.join(home, "venv", "bin", name)

/** The earlier gate: two statements, two commits, a record; two uvicorn workers, 32 connections. */
export const fastapi = httpPeer({
  name: "fastapi",
  ports: 1,
  install: async (home) => {
    const wanted = readFileSync(source("requirements.txt"), "utf8")
    const stamp = path.join(home, "installed")
    if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
      await run("python3", ["-m", "venv", "--clear", path.join(home, "venv")])
      await run(bin(home, "python"), ["-m", "pip", "install", "-q", "-r", source("requirements.txt")], {
        timeoutMs: 600_000
      })
      writeFileSync(stamp, wanted)
    }
    copyFileSync(source("gate.py"), path.join(home, "gate.py"))
  },
  processes: async ({ databaseUrl, ground, home, port, sql, topic }) => {
    await sql.unsafe(readFileSync(TABLE, "utf8"))
    return [
      {
        command: bin(home, "uvicorn"),
        args: [
          "gate:app",
          "--workers",
          "2",
          "--port",
          String(port(0)),
          "--no-access-log",
          "--log-level",
          "warning"
        ],
        cwd: home,
        env: {
          PEER_DATABASE_URL: databaseUrl.replace(/^postgres:/, "postgresql+psycopg2:"),
          PEER_BROKERS: ground.brokers.join(","),
          PEER_TOPIC: topic
        },
        isReady: answers(`http://127.0.0.1:${port(0)}/healthz`)
      }
    ]
  },
  speak: () => ({ paths: { any: "/webhooks/paypal" }, headers: {} })
})
