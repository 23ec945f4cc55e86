import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface LocalServer {
  readonly origin: string
  /** Every request so far. */
  readonly asked: Array<Asked>
  /** Ends when `count` requests have come in. */
  readonly received: (count: number) => Effect.Effect<void>
}

const read = async (request: IncomingMessage) => {
  const parts: Array<Uint8Array> = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString("utf8")
}

/** A server on a free port of this machine. An answer of `null` never comes. */
export const makeLocalServer = (answer: (asked: Asked) => Reply | null) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const asked: Array<Asked> = []
      const waiting: Array<{ readonly count: number; readonly done: () => void }> = []
      const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
        const entry = {
          method: request.method ?? "",
          path: request.url ?? "",
          headers: request.headers,
          body: await read(request)
        }
        asked.push(entry)
        for (const { count, done } of waiting) if (asked.length >= count) done()
        const reply = answer(entry)
        if (reply !== null)
          response.writeHead(reply.status ?? 200, { ...reply.headers }).end(reply.body ?? "")
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const received = (count: number) =>
        Effect.promise(
          () =>
            new Promise<void>((done) => {
              if (asked.length >= count) done()
              else waiting.push({ count, done })
            })
        )
      const { port } = server.address() as AddressInfo
      return { server, origin: `http://127.0.0.1:${port}`, asked, received }
    }),
    ({ server }) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  )
