import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { type Answer, bodyOf, json, send } from "./Answer.ts"
import * as ControlApi from "./ControlApi.ts"
import * as Deposits from "./Deposits.ts"
import * as Faults from "./Faults.ts"
import * as Identity from "./Identity.ts"
import * as PayPalApi from "./PayPalApi.ts"
import { SimulatorFailed } from "./SimulatorFailed.ts"
import { readJson, writePrivate } from "./StateFile.ts"
import * as TossApi from "./TossApi.ts"

export interface SimulatorOptions {
  /** Keys and payments live here, from one start to the next. */
  readonly stateDir: string
  /** Where it is left out: the port of the last start, else any free one. */
  readonly port?: number
}

/** A running simulator, as the gate must be configured for it. */
export interface Simulator {
  /** Origin of all simulated APIs: PAYPAL_CERT_ORIGIN, PAYPAL_API_ORIGIN, TOSS_API_ORIGIN. */
  readonly origin: string
  readonly caFile: string
  readonly caPem: string
  readonly webhookId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly tossSecretKey: string
  readonly securityKeys: ReadonlyArray<string>
}

/** Written at every start, read by `simulate` and `bomb` in another process. */
export const Running = Schema.Struct({ origin: Schema.String, port: Schema.Int, pid: Schema.Int })
export const runningPath = (stateDir: string) => join(stateDir, "simulator.json")

const lastPort = (stateDir: string) =>
  Effect.promise(() => readJson(runningPath(stateDir)).catch(() => undefined)).pipe(
    Effect.map((kept) => Schema.decodeUnknownOption(Running)(kept)),
    Effect.map(Option.map(({ port }) => port)),
    Effect.map(Option.getOrElse(() => 0))
  )

const requestHandler = (identity: Identity.Identity, deposits: Deposits.Deposits) => {
  const faults = Faults.make()
  const paypal = PayPalApi.make(identity, deposits)
  const toss = TossApi.make(identity, deposits)
  const control = ControlApi.make(deposits, faults)

  return async (request: IncomingMessage, response: ServerResponse) => {
    const [path = "/"] = (request.url ?? "/").split("?")
    const body = request.method === "GET" ? Buffer.alloc(0) : await bodyOf(request)
    if (body === undefined) return send(response, json(413, { error: "too large" }))
    if (path.startsWith(`${ControlApi.CONTROL}/`)) return send(response, control(request, path, body))

    const api = Faults.apiOf(request)
    const fault = faults.of(api)
    if (fault.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    if (fault.status === 0) return void response.destroy()
    const answer: Answer =
      fault.status !== undefined
        ? json(fault.status, { code: "FAILED_INTERNAL_SYSTEM_PROCESSING", message: "simulated fault" })
        : api === "toss"
          ? toss(request, path)
          : paypal(request, path, body)
    send(response, answer)
  }
}

type Handler = ReturnType<typeof requestHandler>

const listen = (handler: Handler, port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: Effect.Effect<void> }, SimulatorFailed>(
      (resume) => {
        const server = createServer((request, response) => {
          // malformed escapes in a path, a client that hangs up: nobody's business but the client's
          handler(request as IncomingMessage, response as ServerResponse).catch(() => response.destroy())
        })
        server.keepAliveTimeout = 65_000 // a pooled connection must outlive the pauses between webhooks
        server.once("error", (error: NodeJS.ErrnoException) =>
          resume(
            Effect.fail(
              new SimulatorFailed({ message: `The simulator cannot listen on port ${port}: ${error.code}` })
            )
          )
        )
        server.listen(port, "127.0.0.1", () =>
          resume(
            Effect.succeed({
              port: (server.address() as AddressInfo).port,
              close: Effect.callback<void>((closed) => {
                server.close(() => closed(Effect.void))
                server.closeAllConnections()
              })
            })
          )
        )
      }
    ),
    ({ close }) => close
  )

/** Starts the simulator; it stops with the scope and finds its keys and payments again at the next start. */
export const start = Effect.fn("SimulatorServer.start")(function* (options: SimulatorOptions) {
  const { stateDir } = options
  const identity = yield* Identity.load(stateDir)
  const deposits = yield* Effect.acquireRelease(
    Effect.try({
      try: () => Deposits.open(join(stateDir, "deposits.tsv")),
      catch: () => new SimulatorFailed({ message: `Cannot read or write ${join(stateDir, "deposits.tsv")}` })
    }),
    (open) => Effect.sync(open.close)
  )
  const handler = requestHandler(identity, deposits)
  const server = yield* options.port === undefined
    ? lastPort(stateDir).pipe(
        Effect.flatMap((port) => listen(handler, port)),
        Effect.catch(() => listen(handler, 0)) // someone else took it meanwhile
      )
    : listen(handler, options.port)

  const origin = `http://127.0.0.1:${server.port}`
  yield* Effect.tryPromise({
    try: () =>
      writePrivate(
        runningPath(stateDir),
        `${JSON.stringify({ origin, port: server.port, pid: process.pid } satisfies typeof Running.Type)}\n`
      ),
    catch: () => new SimulatorFailed({ message: `Cannot write ${runningPath(stateDir)}` })
  })
  return {
    origin,
    caFile: Identity.caPath(stateDir),
    caPem: identity.caPem,
    webhookId: identity.webhookId,
    clientId: identity.clientId,
    clientSecret: identity.clientSecret,
    tossSecretKey: identity.tossSecretKey,
    securityKeys: identity.securityKeys
  } satisfies Simulator
})
