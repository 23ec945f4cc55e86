import http from "node:http"
import https from "node:https"
import { outcome, type Received } from "./Courier.ts"

const CONNECT_LIMIT_MS = 2_000
/** An open connection still waits for the server to accept it; Node's takes one or two a turn. */
const ACCEPT_PAUSE_MS = 100

/**
 * Sends the same request `count` times at the same moment. Each has its own connection, open and with all but the last
 * byte on its way before the first is released; then the last bytes leave in one go. Started one after the other
 * instead, the first would often be answered before the last arrives, and nothing would be proven.
 */
export const salvo = async (
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  count: number,
  timeoutMs: number
): Promise<ReadonlyArray<Received>> => {
  const last = Math.max(0, body.length - 1)
  let releasedAt = performance.now()
  const shots = Array.from({ length: count }, () => {
    const request = (url.protocol === "https:" ? https : http).request(url, {
      method: "POST",
      agent: false,
      headers: { ...headers, "content-length": body.length, connection: "close" }
    })
    const received = outcome(request, timeoutMs)
    const loaded = new Promise<void>((resolve) => {
      if (last > 0) request.write(body.subarray(0, last), () => resolve())
      else resolve()
    })
    return { request, received, loaded }
  })
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CONNECT_LIMIT_MS)
  })
  // A connection that cannot be opened is an answer, too: it must not hold up the others.
  await Promise.race([
    Promise.all(shots.map(({ loaded, received }) => Promise.race([loaded, received]))),
    limit
  ])
  clearTimeout(timer)
  await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS))
  releasedAt = performance.now()
  for (const { request } of shots) request.end(body.subarray(last))
  return Promise.all(
    shots.map(({ received }) =>
      received.then((one) => ({ ...one, ms: Math.max(0, performance.now() - releasedAt) }))
    )
  )
}
