import { mixed } from "../prepare/mixed.ts"
import type { Prepared } from "../prepare/Prepared.ts"
import type { LoadPlan } from "./LoadPlan.ts"

const requestOf = (delivery: Prepared, plan: LoadPlan) => {
  const body = Buffer.from(delivery.body, "utf8")
  const given = { ...delivery.headers, ...plan.headers }
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value.replace("{id}", delivery.id)}`)
  const path = (plan.paths[delivery.endpoint] ?? plan.paths.any ?? "/").replace("{id}", delivery.id)
  const head = [`POST ${path} HTTP/1.1`, "host: bench", `content-length: ${body.length}`, ...lines]
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), body])
}

/** Whole requests, as bytes, before the first one is sent: sending costs no more than a write. */
export const requests = async (plan: LoadPlan): Promise<ReadonlyArray<Buffer>> => {
  const made: Array<Buffer> = []
  for await (const delivery of mixed(plan.portions)) made.push(requestOf(delivery, plan))
  return made
}
