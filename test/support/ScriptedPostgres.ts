import { type AddressInfo, createServer, type Socket } from "node:net"
import { type SecureContextOptions, TLSSocket } from "node:tls"
import { Effect } from "effect"

/** What the server does with a statement. */
export type Step = "answer" | "close" | "reset" | "say nothing"

const message = (kind: string, body: Buffer = Buffer.alloc(0)) => {
  const head = Buffer.from(`${kind}0000`)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const WELCOME = Buffer.concat([message("R", Buffer.alloc(4)), message("Z", Buffer.from("I"))])
const ANSWER = Buffer.concat([message("C", Buffer.from("SELECT 0\0")), message("Z", Buffer.from("I"))])
const SSL_REQUEST = 80_877_103

export interface ScriptedOptions {
  /** Offers TLS. */
  readonly tls?: SecureContextOptions
  /** Called for each statement in turn. */
  readonly onStatement: () => Step
  /** Hangs up before a word is said. */
  readonly slamsDoor?: boolean
}

/** Speaks as much of the protocol as a simple statement without rows needs, and breaks off where it is told. */
export const startScriptedPostgres = (options: ScriptedOptions) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const open = new Set<Socket>()
      const names: Array<string | false | null> = []
      let accepted = 0
      const talk = (raw: Socket, spoken: Socket) => {
        let isGreeted = false
        spoken.on("error", () => {})
        spoken.on("data", (chunk: Buffer) => {
          if (!isGreeted && chunk.readInt32BE(4) === SSL_REQUEST) {
            raw.removeAllListeners("data")
            raw.write("S")
            const secure = new TLSSocket(raw, { isServer: true, ...options.tls })
            secure.on("secure", () => names.push(secure.servername))
            return talk(raw, secure)
          }
          if (!isGreeted) {
            isGreeted = true
            return void spoken.write(WELCOME)
          }
          if (chunk[0] === "X".charCodeAt(0)) return void spoken.end()
          const step = options.onStatement()
          if (step === "answer") spoken.write(ANSWER)
          if (step === "close") spoken.end()
          if (step === "reset") raw.resetAndDestroy()
        })
      }
      const server = createServer((socket) => {
        accepted += 1
        open.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => open.delete(socket))
        if (options.slamsDoor) return void socket.end()
        talk(socket, socket)
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const close = () => {
        server.close()
        for (const socket of open) socket.destroy()
      }
      return {
        port: (server.address() as AddressInfo).port,
        accepted: () => accepted,
        open: () => open.size,
        /** Resets every connection, also one at rest. */
        resetAll: () => {
          for (const socket of open) socket.resetAndDestroy()
        },
        /** The names that clients asked for over TLS. */
        names,
        close
      }
    }),
    ({ close }) => Effect.sync(close)
  )
