import { connect, type Socket } from "node:net"

/** What came back: the status, and the word of a JSON body's `status`. */
export interface Reply {
  readonly status: number
  readonly word: string
}

/** Instead of it: the connection ended after the request went out, or could not be made. */
export type Ended = "cut" | "refused"

/** One kept-alive HTTP/1.1 connection with one request under way at a time. */
export interface Connection {
  readonly send: (request: Buffer, done: (reply: Reply | Ended) => void) => void
  readonly close: () => void
}

const HEAD_END = Buffer.from("\r\n\r\n")
const LAST_CHUNK = "\r\n0\r\n\r\n"

/** The whole answer at the start of `text`, `undefined` while it is not all there. */
const parse = (bytes: Buffer): Reply | undefined => {
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return undefined
  const head = bytes.toString("latin1", 0, end)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)
  const from = end + 4
  if (length !== null) {
    if (bytes.length < from + Number(length[1])) return undefined
  } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const rest = bytes.toString("latin1", from)
    if (!rest.endsWith(LAST_CHUNK) && rest !== LAST_CHUNK.slice(2)) return undefined
  }
  const word = /"(?:status|title)" *: *"([^"]*)"/.exec(bytes.toString("latin1", from))?.[1] ?? ""
  return { status: Number(head.slice(9, 12)), word }
}

/** A connection that opens at its first request, and anew after it was lost. */
export const make = (host: string, port: number): Connection => {
  let socket: Socket | undefined
  let waiting: ((reply: Reply | Ended) => void) | undefined
  let got: Buffer | undefined

  const settle = (reply: Reply | Ended) => {
    const done = waiting
    waiting = undefined
    got = undefined
    done?.(reply)
  }
  const open = () => {
    const opened = connect({ host, port, noDelay: true })
    let isConnected = false
    opened.on("connect", () => {
      isConnected = true
    })
    opened.on("data", (chunk: Buffer) => {
      got = got === undefined ? chunk : Buffer.concat([got, chunk])
      const reply = parse(got)
      if (reply !== undefined) settle(reply)
    })
    opened.on("error", () => {})
    opened.on("close", () => {
      if (socket !== opened) return
      socket = undefined
      settle(isConnected ? "cut" : "refused")
    })
    return opened
  }
  return {
    send: (request, done) => {
      waiting = done
      socket ??= open()
      socket.write(request)
    },
    close: () => socket?.destroy()
  }
}
