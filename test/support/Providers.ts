import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { gateEnvironment } from "../../src/infra/simulator/gateEnvironment.ts"
import { makeSigner } from "../../src/infra/simulator/PayPalTransmission.ts"
import * as PayPalWebhooks from "../../src/infra/simulator/PayPalWebhooks.ts"
import * as SimulatorClient from "../../src/infra/simulator/SimulatorClient.ts"
import * as SimulatorServer from "../../src/infra/simulator/SimulatorServer.ts"
import * as World from "../../src/infra/simulator/World.ts"

const scratch = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "oncegate-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Providers to play with: a simulator of its own, and what its deliveries are made with. */
export const startProviders = Effect.gen(function* () {
  const stateDir = yield* scratch
  const simulator = yield* SimulatorServer.start({ stateDir })
  const client = yield* SimulatorClient.connect(stateDir)
  const signer = makeSigner(client.identity, client.origin)
  const world = World.make(World.newSeed())
  /** One signed PayPal capture, with the headers of each of its copies. */
  const capture = (copies = 1) => {
    const act = PayPalWebhooks.oneCapture(world, { signer, copies, now: Date.now() })
    return act.events[0]!
  }
  return { simulator, client, signer, world, capture }
})
export type ProvidersUnderTest = Effect.Success<typeof startProviders>

export const environmentOf = ({ simulator }: ProvidersUnderTest, databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  MASTER_KEYS: `test:${Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64")}`,
  ADMIN_TOKEN: "an admin token of thirty-two characters",
  ...gateEnvironment(simulator),
  HOST: "127.0.0.1",
  PORT: "0",
  ADMIN_PORT: "0",
  LOG_LEVEL: "debug"
})
