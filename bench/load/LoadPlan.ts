import type { Portion } from "../prepare/mixed.ts"
import type { Order } from "./Order.ts"

/** What the load process is told, as JSON on its standard input. Times in milliseconds. */
export interface LoadPlan {
  /** What is sent, mixed evenly. */
  readonly portions: ReadonlyArray<Portion>
  /** Addresses that the connections are dealt out to. */
  readonly urls: ReadonlyArray<string>
  /** Path below each address, by what a delivery is. */
  readonly paths: Readonly<Record<string, string>>
  /** Headers beside those of the delivery. `{id}` stands for the delivery's id. */
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly order: Order
  readonly cycle: boolean
  readonly warmupMs: number
  /** Measured time after the warm-up; 0: until the deliveries are through. */
  readonly measureMs: number
  /** Requests a second, sent at their time whether or not answers came; 0: the next one when an answer came. */
  readonly rate: number
  /** Send again what got no answer, or 5xx, until it gets one: as a provider would. */
  readonly resend: boolean
  /** Print a line on stderr at each so many answers, beside `warm` and `over`: whoever kills the service listens. */
  readonly tellEvery: number
  /** Tell each answer's time too. */
  readonly eachAnswer?: boolean
}

/** What the load process saw. Latencies in milliseconds, rates per second, of the measured time alone. */
export interface LoadResult {
  readonly answers: Readonly<Record<string, number>>
  readonly measured: number
  readonly seconds: number
  readonly rate: number
  readonly latency: Readonly<Record<"mean" | "p50" | "p90" | "p99" | "p999" | "max", number>>
  readonly perSecond: ReadonlyArray<number>
  /** Where it was asked for: when each answer came, from the end of the warm-up on, and how long it took. */
  readonly each?: ReadonlyArray<readonly [at: number, took: number]>
  /** Requests that went out and whose connection ended before the answer. */
  readonly cut: number
  /** What was sent again, for whatever reason. */
  readonly sentAgain: number
  /** All deliveries were sent before the time was over. */
  readonly ranDry: boolean
  /** Cost of the load process itself during the measured time: CPU seconds, and share of the time its loop was busy. */
  readonly cpuSeconds: number
  readonly busy: number
  /** Base64 of a bit for each delivery, the lowest first: it was sent; it was answered 2xx. */
  readonly sent: string
  readonly acked: string
}
