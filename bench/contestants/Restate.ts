import path from "node:path"
import { fileURLToPath } from "node:url"
import { NODE } from "../Process.ts"
import { answers, httpPeer, listens } from "./httpPeer.ts"
import { installWithNpm } from "./npmPeer.ts"

const source = fileURLToPath(new URL("../peers/restate", import.meta.url))

/** Makes the service known; one that is known already stays so. */
const register = async (admin: string, uri: string) => {
  const response = await fetch(`${admin}/deployments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri, force: true })
  })
  if (!response.ok)
    throw new Error(`restate did not take the service: ${response.status} ${await response.text()}`)
}

/** Restate with its idempotency key: the server and a service beside it; its own storage instead of Postgres. */
export const restate = httpPeer({
  name: "restate",
  ports: 4,
  install: (home) => installWithNpm(source, home, ["service.mjs"]),
  processes: async ({ ground, home, port, scratch, topic }) => {
    const [ingress, admin, node, service] = [0, 1, 2, 3].map((at) => `127.0.0.1:${port(at)}`) as [
      string,
      string,
      string,
      string
    ]
    return [
      {
        command: path.join(home, "node_modules", ".bin", "restate-server"),
        args: ["--no-logo", "--listen-mode", "tcp"],
        cwd: scratch,
        env: {
          RESTATE_BASE_DIR: scratch,
          RESTATE_NODE_NAME: "bench",
          RESTATE_DISABLE_TELEMETRY: "true",
          RESTATE_BIND_ADDRESS: node,
          RESTATE_ADVERTISED_ADDRESS: `http://${node}`,
          RESTATE_INGRESS__BIND_ADDRESS: ingress,
          RESTATE_ADMIN__BIND_ADDRESS: admin
        },
        isReady: answers(`http://${admin}/health`)
      },
      {
        command: NODE,
        args: [path.join(home, "service.mjs")],
        cwd: home,
        env: { PEER_BROKERS: ground.brokers.join(","), PEER_TOPIC: topic, PEER_PORT: service.split(":")[1]! },
        isReady: listens(port(3)),
        registered: () => register(`http://${admin}`, `http://${service}`)
      }
    ]
  },
  speak: () => ({ paths: { any: "/gate/webhook" }, headers: { "idempotency-key": "{id}" } })
})
