import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import { type AddressInfo, Server as NetServer } from "node:net"
import { Cause, Effect, Schema } from "effect"

/** The address cannot be listened on; the message says what to do. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  message: Schema.String
}) {}

export interface ServerOptions {
  /** Variable that sets the port, for the message. */
  readonly variable: string
  readonly host: string
  readonly port: number
}

const explain = ({ host, port, variable }: ServerOptions, code: string | undefined) =>
  code === "EADDRINUSE"
    ? `port ${port} on ${host} is taken: stop what listens there, or set ${variable} (0 = any free port)`
    : code === "EACCES"
      ? `port ${port} on ${host} may not be used by this user: set ${variable} to 1024 or higher`
      : `cannot listen on ${host}:${port} (${code ?? "unknown"}): check the host and ${variable}`

/** Who was answered before the body came to its end has so long to end it. */
const REST_MS = 5_000

/** Deno's limit of a request ends with the answer: a body that drips on would hold its socket for ever. */
const endWithin = (ms: number, request: IncomingMessage, response: ServerResponse) =>
  response.once("finish", () => {
    if (request.complete) return
    const limit = setTimeout(() => request.socket.destroy(), ms)
    request.once("close", () => clearTimeout(limit)).resume()
  })

/** Kept connections are listened to until no request has come for so long: the next one may be on its way. */
const QUIET_MS = 1_000

/**
 * An HTTP listener that lives as long as the scope. At its end it takes no new connection; what still comes on those
 * that are open is answered, until it is quiet there; answers in progress are finished within `drainMs`.
 */
export const listen = Effect.fnUntraced(function* (
  options: ServerOptions,
  listener: RequestListener,
  drainMs = 10_000
) {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  /** What is thrown here is of one request, and must not be the end of all. */
  const guarded: RequestListener = (request, response) => {
    endWithin(REST_MS, request, response)
    try {
      listener(request, response)
    } catch (thrown) {
      fork(Effect.logError("a request could not be handled", Cause.die(thrown)))
      request.resume()
      if (!response.headersSent) response.writeHead(500, { connection: "close" })
      response.end()
    }
  }
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>, ListenFailed>((resume) => {
      const server = createServer(
        {
          // Slow senders hold a socket, and no more than this.
          headersTimeout: 5_000,
          requestTimeout: 15_000,
          keepAliveTimeout: 65_000,
          connectionsCheckingInterval: 1_000,
          maxHeaderSize: 16_384
        },
        guarded
      )
      server.once("error", (error: NodeJS.ErrnoException) =>
        resume(Effect.fail(new ListenFailed({ message: explain(options, error.code) })))
      )
      server.listen(options.port, options.host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        const goQuiet = () => server.closeIdleConnections()
        let quiet = setTimeout(goQuiet, QUIET_MS)
        server.on("request", () => {
          clearTimeout(quiet)
          quiet = setTimeout(goQuiet, QUIET_MS)
        })
        const limit = setTimeout(() => server.closeAllConnections(), drainMs)
        const closed = () => {
          clearTimeout(quiet)
          clearTimeout(limit)
          resume(Effect.void)
        }
        // The close of http also ends idle connections at once, under the feet of a client that is about to send; that of
        // net only stops listening. Deno's server is none of net.
        const close = () => {
          if (server instanceof NetServer) NetServer.prototype.close.call(server, closed)
          else (server as ReturnType<typeof createServer>).close(closed)
        }
        // The system resets those who stand in line and whom nobody took in. The loop takes in one each turn: this goes on
        // until a turn found nobody.
        let tookIn = true
        server.on("connection", () => {
          tookIn = true
        })
        const last = performance.now() + QUIET_MS
        const closeBehindThem = () => {
          if (!tookIn || performance.now() > last) return close()
          tookIn = false
          setImmediate(closeBehindThem)
        }
        closeBehindThem()
      })
  )
  const { address, port } = server.address() as AddressInfo
  const host = address.includes(":") ? `[${address}]` : address
  return { port, url: `http://${address === "0.0.0.0" || address === "::" ? "127.0.0.1" : host}:${port}` }
})
