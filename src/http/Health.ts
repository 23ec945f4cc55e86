import type { IncomingMessage, ServerResponse } from "node:http"
import { Effect } from "effect"

const send = (response: ServerResponse, status: number, state: string) => {
  const body = JSON.stringify({ status: state })
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body)
}

/** `/healthz`: the process lives. `/readyz`: it can take webhooks. False where the path is neither. */
export const handler =
  (ready: Effect.Effect<boolean>) =>
  (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.url === "/healthz") {
      request.resume()
      send(response, 200, "ok")
      return true
    }
    if (request.url === "/readyz") {
      request.resume()
      Effect.runFork(ready).addObserver((exit) => {
        const ok = exit._tag === "Success" && exit.value
        send(response, ok ? 200 : 503, ok ? "ready" : "not ready")
      })
      return true
    }
    return false
  }
