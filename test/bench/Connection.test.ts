import { createServer } from "node:net"
import { assert, it } from "@effect/vitest"
import * as Connection from "../../bench/load/Connection.ts"

/** A server that answers its connections, in turn, in these pieces; an empty list cuts the connection instead. */
const serving = async (answers: ReadonlyArray<ReadonlyArray<string>>) => {
  let at = 0
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on("data", async () => {
      const pieces = answers[at++] ?? []
      if (pieces.length === 0) return socket.destroy()
      for (const piece of pieces) {
        socket.write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address() as { readonly port: number }
  return { port: address.port, close: () => server.close() }
}

const ask = (connection: Connection.Connection) =>
  new Promise<Connection.Reply | Connection.Ended>((resolve) => connection.send(Buffer.from("x"), resolve))

it("reads whole answers however they are cut into pieces, and tells an answer from none", async () => {
  const server = await serving([
    ["HTTP/1.1 200 OK\r\ncontent-len", 'gth: 22\r\n\r\n{"status":', '"processed"}'],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", '10\r\n{"status": "ok"}\r\n', "0\r\n\r\n"],
    ["HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"],
    [],
    ["HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"]
  ])
  const connection = Connection.make("127.0.0.1", server.port)
  assert.deepStrictEqual(await ask(connection), { status: 200, word: "processed" })
  assert.deepStrictEqual(await ask(connection), { status: 200, word: "ok" })
  assert.deepStrictEqual(await ask(connection), { status: 401, word: "" })
  assert.strictEqual(await ask(connection), "cut")
  assert.deepStrictEqual(await ask(connection), { status: 503, word: "" }, "a lost connection is made anew")
  connection.close()
  server.close()
  const nobody = Connection.make("127.0.0.1", server.port)
  assert.strictEqual(await ask(nobody), "refused")
})
