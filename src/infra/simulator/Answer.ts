import type { IncomingMessage, ServerResponse } from "node:http"

/** What one of the simulated APIs answers. */
export interface Answer {
  readonly status: number
  readonly body: Uint8Array | string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const json = (status: number, value: unknown): Answer => ({ status, body: JSON.stringify(value) })

export const send = (response: ServerResponse, answer: Answer) => {
  const body = typeof answer.body === "string" ? Buffer.from(answer.body, "utf8") : answer.body
  response.writeHead(answer.status, {
    "content-type": answer.type ?? "application/json;charset=UTF-8",
    "content-length": body.length,
    ...answer.headers
  })
  response.end(body)
}

const LIMIT = 32 * 1024 * 1024

/** The whole request body; undefined where it is larger than any caller of the simulator has reason for. */
export const bodyOf = (request: IncomingMessage) =>
  new Promise<Buffer | undefined>((resolve, reject) => {
    const chunks: Array<Buffer> = []
    let size = 0
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= LIMIT) chunks.push(chunk)
    })
    request.on("end", () => resolve(size <= LIMIT ? Buffer.concat(chunks) : undefined))
    request.on("error", reject)
  })

/** User and password of `Authorization: Basic`, or undefined where there is none. */
export const basicAuth = (request: IncomingMessage) => {
  const match = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? "")
  if (match === null) return undefined
  const [user = "", ...password] = Buffer.from(match[1]!, "base64").toString("utf8").split(":")
  return { user, password: password.join(":") }
}
