// `npm run bench:relay`: how fast the relay drains a backlog, and how soon a fact is visible. Prints JSON.
import path from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { ROWS_PER_EVENT } from "./relay/book.ts"
import { drain } from "./relay/drain.ts"
import { idle } from "./relay/idle.ts"
import { visible } from "./relay/visible.ts"
import { ROOT, startServices } from "./relay/World.ts"

const HELP = `Measures the relay on real services (DATABASE_URL and KAFKA_BROKERS, else started here) and prints JSON.

  --events N     events of the backlog, two records each (100000; 0: no drain)
  --backlogs N,N rows of the log instead, one drain after the other, each counted in the topics afterwards
  --rate N       events a second for the time from commit to visible (1000; 0: not measured)
  --seconds N    how long (20)
  --idle N       seconds of doing nothing, for its cost (0: not measured)
  --runs N       how often each (1)
  --against DIR  another checkout, measured in turn with this one
  --flags="..."  flags of Node for the relay, as --cpu-prof
`

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "100000" },
    backlogs: { type: "string" },
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    idle: { type: "string", default: "0" },
    runs: { type: "string", default: "1" },
    against: { type: "string" },
    flags: { type: "string", default: "" },
    help: { type: "boolean", default: false }
  }
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit(0)
}

const say = (line: string) => void process.stderr.write(`${line}\n`)
const flags = values.flags.split(" ").filter((flag) => flag !== "")
const roots = values.against === undefined ? [ROOT] : [path.resolve(values.against), ROOT]
const backlogs = (values.backlogs?.split(",") ?? []).map((rows) => Math.ceil(Number(rows) / ROWS_PER_EVENT))
const services = await startServices()
const results: Array<object> = []
try {
  for (let run = 0; run < Number(values.runs); run++) {
    for (const root of roots) {
      const checkout = root === ROOT ? "this" : "other"
      for (const events of backlogs) {
        const result = {
          measure: "backlog",
          checkout,
          ...(await drain(services, root, { events, check: true, flags }))
        }
        say(JSON.stringify(result))
        results.push(result)
      }
      if (backlogs.length === 0 && Number(values.events) > 0) {
        const result = {
          measure: "drain",
          checkout,
          ...(await drain(services, root, { events: Number(values.events), flags }))
        }
        say(JSON.stringify(result))
        results.push(result)
      }
      if (Number(values.rate) > 0) {
        const options = { rate: Number(values.rate), seconds: Number(values.seconds), flags }
        const result = { measure: "visible", checkout, ...(await visible(services, root, options)) }
        say(JSON.stringify(result))
        results.push(result)
      }
      if (Number(values.idle) > 0) {
        const result = { measure: "idle", checkout, ...(await idle(services, root, Number(values.idle))) }
        say(JSON.stringify(result))
        results.push(result)
      }
    }
  }
} finally {
  await services.stop()
}
process.stdout.write(
  `${JSON.stringify({ at: new Date().toISOString(), cores: navigator.hardwareConcurrency, results }, null, 2)}\n`
)
