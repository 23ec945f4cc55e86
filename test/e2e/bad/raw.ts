import { connect } from "node:net"

export interface Raw {
  readonly method?: string
  readonly path: string
  /** In this order, names as they are, repeated ones too. */
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Uint8Array
}

export interface Answer {
  /** 0: closed without an answer. */
  readonly status: number
  /** The `status` of a 200, the `error_code` of a problem. */
  readonly word: string
}

/** A header as bytes of one octet each, so that a test may put anything into it. */
const head = ({ headers, method, path }: Raw, host: string) =>
  Buffer.from(
    `${method ?? "POST"} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${headers
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`,
    "latin1"
  )

const read = (text: string): Answer => {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)
  const word = /"error_code":"([A-Za-z_]+)"/.exec(text)?.[1] ?? /"status":"([a-z_]+)"/.exec(text)?.[1] ?? ""
  return { status, word }
}

/**
 * Sends bytes as they are, and reads to the end. `half`: says that nothing more comes, as who breaks off does. `then`: what
 * is sent after them, five times a second.
 */
export const sendBytes = (url: string, bytes: Uint8Array, half = false, then?: string) =>
  new Promise<Answer>((resolve) => {
    const { hostname, port } = new URL(url)
    let text = ""
    const socket = connect(Number(port), hostname, () => {
      socket.write(bytes)
      if (half) socket.end()
    })
    const dripping = then === undefined ? undefined : setInterval(() => socket.write(then), 200)
    const end = () => {
      clearInterval(dripping)
      resolve(read(text))
    }
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
    })
    socket.on("error", end)
    socket.on("close", end)
  })

/** The bytes of a request. `content-length` is told unless the headers do. */
export const bytesOf = (url: string, request: Raw) => {
  const told = request.headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))
  const headers = told
    ? request.headers
    : ([...request.headers, ["content-length", String(request.body.length)]] as const)
  return Buffer.concat([head({ ...request, headers }, new URL(url).host), request.body])
}

/** A request over a socket of its own. */
export const send = (url: string, request: Raw) => sendBytes(url, bytesOf(url, request))
