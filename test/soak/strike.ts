import { setTimeout as pause } from "node:timers/promises"
import { Effect } from "effect"
import { type House, LEASE_MS } from "./house.ts"
import type { Fault, Kind } from "./plan.ts"

const FAULT_MS = 3_000

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

/** What each kind of fault does, to its end. Resolves with whether it met anything beyond the work in flight. */
const acts: Readonly<Record<Kind, (house: House, gate: number) => Promise<boolean>>> = {
  kill: async ({ places }, gate) => {
    await places[gate]!.restart()
    return true
  },
  stop: async ({ places }, gate) => {
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
  lost_replies: async ({ places }, gate) => {
    const { proxy } = places[gate]!
    const before = proxy.cuts()
    for (let ms = 0; ms < FAULT_MS; ms += 150) {
      proxy.arm()
      await pause(150)
    }
    return proxy.cuts() > before
  },
  // Custody cannot be written, as on a full disk.
  disk_full: async ({ sql }) => {
    await sql.unsafe(`
      CREATE OR REPLACE FUNCTION soak_disk_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER soak_disk_full BEFORE INSERT ON webhook_payloads EXECUTE FUNCTION soak_disk_full()`)
    await pause(FAULT_MS)
    await sql`DROP TRIGGER soak_disk_full ON webhook_payloads`
    return true
  },
  wrong_clock: async ({ places }, gate) => {
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
  }
}

/** Where the fault strikes one gate, its work counts; else that of all. */
const ofGate: ReadonlySet<Kind> = new Set(["kill", "stop", "lost_replies", "wrong_clock"])

export interface Struck extends Fault {
  /** Requests without an answer yet, at the moment it began. */
  readonly inFlight: number
  readonly met: boolean
  readonly begun: string
  readonly seconds: number
}

export const strike = async (
  house: House,
  fault: Fault,
  inFlight: (gate: number | undefined) => number
): Promise<Struck> => {
  const begun = performance.now()
  // Work in flight is what a fault is for: it waits for the moment at which there is some.
  const working = () => inFlight(ofGate.has(fault.kind) ? fault.gate : undefined)
  for (let waited = 0; working() === 0 && waited < 2_000; waited += 2) await pause(2)
  const seen = working()
  const met = await acts[fault.kind](house, fault.gate)
  return {
    ...fault,
    inFlight: seen,
    met,
    begun: new Date().toISOString(),
    seconds: (performance.now() - begun) / 1_000
  }
}
