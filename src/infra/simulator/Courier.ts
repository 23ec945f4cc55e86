import http from "node:http"
import https from "node:https"

/** What came back for one delivery. Only these parts of an answer are ever kept or shown. */
export interface Received {
  /** 0 where no answer came. */
  readonly httpStatus: number
  readonly ms: number
  /** The `status` field of the gate's answer. */
  readonly status: string | null
  /** The `state` field of `already_processed`. */
  readonly state: string | null
  /** The problem's `error_code`, or the network error's. */
  readonly errorCode: string | null
}

const field = (answer: unknown, name: string) => {
  const value =
    typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>)[name] : undefined
  return typeof value === "string" ? value.slice(0, 64) : null
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const noAnswer = (ms: number, errorCode: string): Received => ({
  httpStatus: 0,
  ms,
  status: null,
  state: null,
  errorCode
})

const LIMIT = 65_536

/** A listener that closes in the middle of a handshake resets it: no connection was made, as where nobody listens. */
const codeOf = ({ code = "NETWORK_ERROR", syscall }: NodeJS.ErrnoException) =>
  code === "ECONNRESET" && syscall === "connect" ? "ECONNREFUSED" : code

/** Resolves with what a request comes to: an answer, a network error or silence. Never rejects. */
export const outcome = (request: http.ClientRequest, timeoutMs: number) =>
  new Promise<Received>((resolve) => {
    const begun = performance.now()
    const ms = () => performance.now() - begun
    const timer = setTimeout(() => {
      resolve(noAnswer(ms(), "TIMEOUT"))
      request.destroy()
    }, timeoutMs)
    const settle = (received: Received) => {
      clearTimeout(timer)
      resolve(received)
    }
    const broken = (error: NodeJS.ErrnoException) => settle(noAnswer(ms(), codeOf(error)))
    request.on("error", broken)
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        if (text.length < LIMIT) text += chunk
      })
      response.on("error", broken)
      response.on("end", () => {
        const answer = parsed(text)
        settle({
          httpStatus: response.statusCode ?? 0,
          ms: ms(),
          status: field(answer, "status"),
          state: field(answer, "state"),
          errorCode: field(answer, "error_code")
        })
      })
    })
  })

export interface Courier {
  readonly deliver: (url: URL, headers: Readonly<Record<string, string>>, body: Buffer) => Promise<Received>
  readonly close: () => void
}

/** Delivers over kept connections, at most `connections` of them. */
export const make = (connections: number, timeoutMs: number): Courier => {
  const options = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections }
  const plain = new http.Agent(options)
  const secure = new https.Agent(options)
  return {
    deliver: (url, headers, body) => {
      const isSecure = url.protocol === "https:"
      const request = (isSecure ? https : http).request(url, {
        method: "POST",
        agent: isSecure ? secure : plain,
        headers: { ...headers, "content-length": body.length }
      })
      const received = outcome(request, timeoutMs)
      request.end(body)
      return received
    },
    close: () => {
      plain.destroy()
      secure.destroy()
    }
  }
}
