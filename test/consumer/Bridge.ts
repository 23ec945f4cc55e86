import { connect, createServer, type Socket } from "node:net"

/** A way to Postgres that can be cut: connections die and no new one comes up. */
export const startBridge = async (url: string) => {
  const target = new URL(url)
  const { hostname, port } = target
  const sockets = new Set<Socket>()
  let isDown = false
  const server = createServer((client) => {
    if (isDown) return void client.destroy()
    const upstream = connect(Number(port), hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(from)
      from.on("error", () => {})
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  target.port = String(typeof address === "object" ? address?.port : "")
  return {
    url: target.href,
    cut: () => {
      isDown = true
      for (const socket of sockets) socket.destroy()
    },
    mend: () => {
      isDown = false
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}
