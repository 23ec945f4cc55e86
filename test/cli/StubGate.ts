import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

interface Answer {
  readonly httpStatus: number
  readonly body: unknown
}

export const processed: Answer = { httpStatus: 200, body: { status: "processed" } }
export const alreadyProcessed: Answer = {
  httpStatus: 200,
  body: { status: "already_processed", state: "done" }
}

/** What a gate answers to the n-th delivery of an event, from 0; undefined leaves the sender without an answer. */
export type Manner = (delivery: number) => Answer | undefined

export const exact: Manner = (delivery) => (delivery === 0 ? processed : alreadyProcessed)

/** A gate of a few lines: knows events by their ids and answers in a given manner. Gone with the scope. */
export const stubGate = (manner: Manner) =>
  Effect.acquireRelease(
    Effect.callback<{
      url: string
      bodies: Array<Buffer>
      paths: Set<string>
      connectionsAtFirst: () => number
      close: Effect.Effect<void>
    }>((resume) => {
      const seen = new Map<string, number>()
      const bodies: Array<Buffer> = []
      const paths = new Set<string>()
      let connections = 0
      let connectionsAtFirst = 0
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("error", () => undefined)
        request.on("end", () => {
          const body = Buffer.concat(chunks)
          const transmission = request.headers["tosspayments-webhook-transmission-id"]
          const key = String(transmission ?? JSON.parse(body.toString("utf8")).id)
          const delivery = seen.get(key) ?? 0
          seen.set(key, delivery + 1)
          if (bodies.push(body) === 1) connectionsAtFirst = connections
          paths.add(request.url ?? "")
          const answer = manner(delivery)
          if (answer === undefined) return
          response.writeHead(answer.httpStatus, { "content-type": "application/json" })
          response.end(JSON.stringify(answer.body))
        })
      })
      server.on("connection", () => connections++)
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            bodies,
            paths,
            connectionsAtFirst: () => connectionsAtFirst,
            close: Effect.callback<void>((closed) => {
              server.close(() => closed(Effect.void))
              server.closeAllConnections()
            })
          })
        )
      )
    }),
    ({ close }) => close
  )
