import path from "node:path"
import { fileURLToPath } from "node:url"
import { NODE } from "../Process.ts"
import { answers, httpPeer } from "./httpPeer.ts"
import { installWithNpm } from "./npmPeer.ts"

const source = fileURLToPath(new URL("../peers/dbos", import.meta.url))

/** DBOS Transact, the event's id as workflow id; 32 connections. */
export const dbos = httpPeer({
  name: "dbos",
  ports: 1,
  install: (home) => installWithNpm(source, home, ["server.mjs"]),
  processes: async ({ databaseUrl, ground, home, port, topic }) => [
    {
      command: NODE,
      args: [path.join(home, "server.mjs")],
      cwd: home,
      env: {
        PEER_DATABASE_URL: databaseUrl,
        PEER_BROKERS: ground.brokers.join(","),
        PEER_TOPIC: topic,
        PEER_PORT: String(port(0))
      },
      isReady: answers(`http://127.0.0.1:${port(0)}/`)
    }
  ],
  speak: () => ({ paths: { any: "/" }, headers: {} })
})
