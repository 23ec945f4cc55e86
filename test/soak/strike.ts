import { setTimeout as pause } from "node:timers/promises"
import { Effect } from "effect"
import { type House, LEASE_MS } from "./house.ts"
import type { Load } from "./load.ts"
import { type Fault, isOfGate, type Kind } from "./plan.ts"

const FAULT_MS = 3_000
/** For a fault that waits for the work that it is to strike. */
const LIMIT_MS = 15_000
/** Replies of the broker that one fault loses. */
const LOST = 3

const setFaults = (house: House, faults: object) =>
  fetch(`${house.providers.client.origin}/_simulator/faults`, {
    method: "PUT",
    body: JSON.stringify(faults)
  })

const apiFault = async (house: House, faults: object) => {
  await setFaults(house, faults)
  await pause(FAULT_MS)
  await setFaults(house, {})
}

/** Postgres on a disk without a page left, until deliveries were refused for it; then there is room again. */
const fillDisk = async ({ disk, revivePostgres }: House, refused: () => number) => {
  const before = refused()
  const begun = performance.now()
  const isOver = () => {
    const ms = performance.now() - begun
    return ms > LIMIT_MS || (ms > FAULT_MS && refused() > before)
  }
  while (!isOver()) {
    disk?.fill()
    await pause(50)
  }
  disk?.free()
  await revivePostgres()
  return refused() > before
}

/** Where no disk could be had for Postgres alone: custody cannot be written. */
const refuseCustody = async ({ sql }: House, refused: () => number) => {
  const before = refused()
  await sql.unsafe(`
    CREATE OR REPLACE FUNCTION soak_disk_full() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER soak_disk_full BEFORE INSERT ON webhook_payloads EXECUTE FUNCTION soak_disk_full()`)
  await pause(FAULT_MS)
  await sql`DROP TRIGGER soak_disk_full ON webhook_payloads`
  return refused() > before
}

type Act = (house: House, fault: Fault, load: Load) => Promise<boolean>

/** What each kind of fault does, to its end. Resolves with whether it met anything beyond the work in flight. */
const acts: Readonly<Record<Kind, Act>> = {
  kill: async ({ places }, { gate }) => {
    await places[gate]!.restart()
    return true
  },
  stop: async ({ places }, { gate }) => {
    const { child } = places[gate]!.serving()
    child.kill("SIGSTOP")
    await pause(2 * LEASE_MS)
    child.kill("SIGCONT")
    return true
  },
  postgres_crash: async ({ crashPostgres }) => {
    await Effect.runPromise(crashPostgres)
    return true
  },
  sessions_ended: async ({ sql }) => {
    const ended =
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oncegate%'`
    return ended.length > 0
  },
  broker_kill: async ({ killBroker }) => killBroker(),
  lost_replies: async ({ places }, { gate }) => {
    const { proxy } = places[gate]!
    const before = proxy.cuts()
    for (let ms = 0; ms < FAULT_MS; ms += 150) {
      proxy.arm()
      await pause(150)
    }
    return proxy.cuts() > before
  },
  // What the relay asked for is done, and the relay does not know.
  lost_broker_replies: async ({ brokerProxy }, { api }) => {
    const before = brokerProxy.lost()
    for (let ms = 0; brokerProxy.lost() < before + LOST && ms < LIMIT_MS; ms += 20) {
      brokerProxy.lose(api)
      await pause(20)
    }
    brokerProxy.lose(undefined)
    return brokerProxy.lost() > before
  },
  disk_full: (house, _, { refused }) =>
    house.disk === undefined ? refuseCustody(house, refused) : fillDisk(house, refused),
  wrong_clock: async ({ places }, { gate }) => {
    await places[gate]!.restart({ CLOCK_OFFSET_MS: gate % 2 === 0 ? "3600000" : "-3600000" })
    return true
  },
  slow_api: async (house) => {
    await apiFault(house, { api: "toss", delay_ms: LEASE_MS + 500 })
    return true
  },
  failing_api: async (house) => {
    await apiFault(house, { api: "toss", status: 503, share: 0.7 })
    return true
  },
  // It says that it knows no such payment, half of the time.
  lying_api: async (house) => {
    await apiFault(house, { api: "toss", status: 404, share: 0.5 })
    return true
  },
  // In the middle of a transaction, if it can be had: a group that is just changing has none.
  consumer_kill: async ({ consumers, sql }, { consumer }) => {
    const isBooking = async () => {
      const found = await sql`
        SELECT FROM pg_stat_activity WHERE application_name = ${consumers.nameOf(consumer)} AND xact_start IS NOT NULL`
      return found.length > 0
    }
    let met = false
    for (const begun = performance.now(); !met && performance.now() - begun < LIMIT_MS; )
      met = await isBooking()
    await consumers.restart(consumer)
    return met
  }
}

export interface Struck extends Fault {
  /** Requests without an answer yet, at the moment it began. */
  readonly inFlight: number
  readonly met: boolean
  readonly begun: string
  readonly seconds: number
}

export const strike = async (house: House, fault: Fault, load: Load): Promise<Struck> => {
  const begun = performance.now()
  // Work in flight is what a fault is for: it waits for the moment at which there is some.
  const working = () => load.inFlight(isOfGate(fault.kind) ? fault.gate : undefined)
  for (let waited = 0; working() === 0 && waited < 2_000; waited += 2) await pause(2)
  const seen = working()
  const met = await acts[fault.kind](house, fault, load)
  return {
    ...fault,
    inFlight: seen,
    met,
    begun: new Date().toISOString(),
    seconds: (performance.now() - begun) / 1_000
  }
}
