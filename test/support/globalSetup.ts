import type { TestProject } from "vitest/node"
import { startServices } from "./ServicesProcess.ts"

/** `npm test` starts the services once for both runtimes and says where; a plain `vitest` starts its own. */
export default async (project: TestProject) => {
  const given = process.env.ONCEGATE_TEST_SERVICES
  if (given) return project.provide("services", given)
  const { url, stop } = await startServices()
  project.provide("services", url)
  return stop
}
