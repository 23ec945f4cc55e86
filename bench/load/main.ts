// The load, as a process of its own: reads a plan on standard input, sends, prints what it saw as one line of JSON.
import { createHistogram, type EventLoopUtilization, performance } from "node:perf_hooks"
import { text } from "node:stream/consumers"
import * as Bits from "./Bits.ts"
import * as Connection from "./Connection.ts"
import type { LoadPlan, LoadResult } from "./LoadPlan.ts"
import { nextOf } from "./Order.ts"
import { requests } from "./requests.ts"

const RESEND_MS = 20
const IDLE_TICK_MS = 1

const plan = JSON.parse(await text(process.stdin)) as LoadPlan
const all = await requests(plan)
const next = nextOf(plan.order, all.length, plan.cycle)
const sent = Bits.make(all.length)
const acked = Bits.make(all.length)
const latency = createHistogram({ figures: 3 })
const answers: Record<string, number> = {}
const perSecond: Array<number> = []
const each: Array<readonly [number, number]> = []
let measured = 0
let answered = 0
let cut = 0
let sentAgain = 0
let ranDry = false

const begin = performance.now()
const from = begin + plan.warmupMs
const until = plan.measureMs === 0 ? Number.POSITIVE_INFINITY : from + plan.measureMs
let cost: { cpu: NodeJS.CpuUsage; loop: EventLoopUtilization } | undefined

const count = (reply: Connection.Reply | Connection.Ended, since: number) => {
  const now = performance.now()
  const name = typeof reply === "string" ? reply : `${reply.status} ${reply.word}`
  answers[name] = (answers[name] ?? 0) + 1
  answered += 1
  if (plan.tellEvery > 0 && answered % plan.tellEvery === 0) process.stderr.write(`answered ${answered}\n`)
  if (now < from || now > until) return
  measured += 1
  latency.record(Math.max(1, Math.round((now - since) * 1000)))
  if (plan.eachAnswer === true) each.push([Math.round(now - from), Math.round((now - since) * 1000) / 1000])
  const second = Math.floor((now - from) / 1000)
  perSecond[second] = (perSecond[second] ?? 0) + 1
}

/** Sends one delivery until it is through; `since` is when it should have been sent. */
const deliver = (connection: Connection.Connection, index: number, since: number, through: () => void) => {
  sent.set(index)
  connection.send(all[index]!, (reply) => {
    const status = typeof reply === "string" ? 0 : reply.status
    if (status >= 200 && status < 300) acked.set(index)
    if (reply === "cut") cut += 1
    if (plan.resend && (status === 0 || status >= 500)) {
      sentAgain += 1
      setTimeout(() => deliver(connection, index, since, through), RESEND_MS)
      return
    }
    count(reply, since)
    through()
  })
}

const connections = Array.from({ length: plan.connections }, (_, at) => {
  const { hostname, port } = new URL(plan.urls[at % plan.urls.length]!)
  return Connection.make(hostname, Number(port))
})

const markBegin = setTimeout(() => {
  process.stderr.write("warm\n")
  cost = { cpu: process.cpuUsage(), loop: performance.eventLoopUtilization() }
}, plan.warmupMs)

/** A loop on each connection: the next request when the answer came. */
const closedLoop = () =>
  Promise.all(
    connections.map(
      (connection) =>
        new Promise<void>((resolve) => {
          const turn = () => {
            const now = performance.now()
            if (now >= until) return resolve()
            const index = next()
            if (index === undefined) {
              ranDry = true
              return resolve()
            }
            deliver(connection, index, now, turn)
          }
          turn()
        })
    )
  )

/** At a rate: what finds no free connection waits, and its waiting counts. */
const openLoop = () =>
  new Promise<void>((resolve) => {
    const free = [...connections]
    const queue: Array<{ index: number; since: number }> = []
    let due = 0
    let open = 0
    let isOver = false
    const pump = () => {
      while (queue.length > 0 && free.length > 0) {
        const connection = free.pop()!
        const { index, since } = queue.shift()!
        open += 1
        deliver(connection, index, since, () => {
          open -= 1
          free.push(connection)
          if (isOver && open === 0 && queue.length === 0) resolve()
          else pump()
        })
      }
    }
    const timer = setInterval(() => {
      const now = performance.now()
      for (; due < ((Math.min(now, until) - begin) * plan.rate) / 1000; due++) {
        const index = next()
        if (index === undefined) {
          ranDry = true
          isOver = true
          break
        }
        queue.push({ index, since: begin + (due * 1000) / plan.rate })
      }
      isOver ||= now >= until
      pump()
      if (!isOver) return
      clearInterval(timer)
      if (open === 0 && queue.length === 0) resolve()
    }, IDLE_TICK_MS)
  })

await (plan.rate > 0 ? openLoop() : closedLoop())
process.stderr.write("over\n")
const ended = Math.min(performance.now(), until)
clearTimeout(markBegin)
const cpu = process.cpuUsage(cost?.cpu)
const loop = performance.eventLoopUtilization(cost?.loop)
for (const connection of connections) connection.close()

const seconds = Math.max(0.001, (ended - from) / 1000)
const ms = (value: number) => (measured === 0 ? 0 : Math.round(value) / 1000)
const result: LoadResult = {
  answers,
  measured,
  seconds,
  rate: measured / seconds,
  latency: {
    mean: ms(latency.mean),
    p50: ms(latency.percentile(50)),
    p90: ms(latency.percentile(90)),
    p99: ms(latency.percentile(99)),
    p999: ms(latency.percentile(99.9)),
    max: ms(latency.max)
  },
  perSecond: Array.from(perSecond, (value) => value ?? 0),
  ...(plan.eachAnswer === true ? { each } : {}),
  cut,
  sentAgain,
  ranDry,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  busy: loop.utilization,
  sent: sent.text(),
  acked: acked.text()
}
process.stdout.write(`${JSON.stringify(result)}\n`)
