import type { AddressInfo } from "node:net"
import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"

/**
 * Stands between a client and its server. Armed, it lets the next request through, waits for the server's reply, throws
 * the reply away and cuts the connection: the work is done, and the client does not know.
 */
export const startCuttingProxy = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let armed = false
      let cuts = 0
      const sockets = new Set<Socket>()
      const server = createServer((client) => {
        const upstream = connect(port, host)
        for (const socket of [client, upstream]) {
          sockets.add(socket)
          socket.setNoDelay(true)
          socket.on("error", () => {})
          socket.on("close", () => {
            sockets.delete(socket)
            client.destroy()
            upstream.destroy()
          })
        }
        client.on("data", (chunk) => upstream.write(chunk))
        upstream.on("data", (chunk) => {
          if (!armed) return void client.write(chunk)
          armed = false
          cuts += 1
          client.destroy()
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return {
        port: (server.address() as AddressInfo).port,
        arm: () => {
          armed = true
        },
        cuts: () => cuts,
        close: () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
      }
    }),
    ({ close }) => Effect.sync(close)
  )
