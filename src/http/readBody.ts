import type { IncomingMessage } from "node:http"

/** The raw bytes, or `too_large` as soon as they are, or `aborted` where the client went away before the end. */
export const readBody = (
  request: IncomingMessage,
  limit: number,
  done: (body: Buffer | "too_large" | "aborted") => void
) => {
  const declared = request.headers["content-length"]
  if (declared !== undefined && Number(declared) > limit) return done("too_large")
  const chunks: Array<Buffer> = []
  let size = 0
  let ended = false
  const end = (body: Buffer | "too_large" | "aborted") => {
    if (ended) return
    ended = true
    done(body)
  }
  request.on("data", (chunk: Buffer) => {
    size += chunk.length
    if (size > limit) {
      chunks.length = 0
      end("too_large")
    } else if (!ended) chunks.push(chunk)
  })
  request.on("end", () => end(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
  request.on("error", () => end("aborted"))
  request.on("close", () => end("aborted"))
}
