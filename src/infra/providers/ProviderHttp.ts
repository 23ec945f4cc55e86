import { Buffer } from "node:buffer"
import { Data, Effect } from "effect"
import { ProcessFailed } from "../../domain/Provider.ts"

/** What a provider answered, whatever its status. */
export interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: Uint8Array
}

/** There is no answer to read. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{
  readonly reason: "timeout" | "network" | "too_large"
}> {}

export interface Question {
  readonly url: string
  readonly method?: "GET" | "POST"
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeLimitMs: number
  readonly sizeLimit: number
}

/** Reads on only while the limit holds: a length that the sender announces proves nothing. */
const readUpTo = async (response: Response, limit: number): Promise<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.length
    if (size > limit) throw new NoAnswer({ reason: "too_large" })
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** One request, no redirect followed, no repetition; interruption aborts it. A redirect is an answer with status 3xx. */
export const ask = (question: Question): Effect.Effect<Answer, NoAnswer> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(question.url, {
        method: question.method ?? "GET",
        headers: { accept: "application/json", ...question.headers },
        ...(question.body === undefined ? {} : { body: question.body }),
        redirect: "manual",
        signal
      })
      return {
        status: response.status,
        retryAfter: response.headers.get("retry-after"),
        body: await readUpTo(response, question.sizeLimit)
      }
    },
    // The runtime's own error is dropped: it may quote addresses and headers.
    catch: (error) => (error instanceof NoAnswer ? error : new NoAnswer({ reason: "network" }))
  }).pipe(
    Effect.timeoutOrElse({
      duration: question.timeLimitMs,
      orElse: () => Effect.fail(new NoAnswer({ reason: "timeout" }))
    })
  )

const DAY_MS = 86_400_000

/** `Retry-After` in milliseconds, at most a day: seconds, or a date. */
const retryAfterMs = (text: string | null, now: number): number | undefined => {
  if (text === null) return undefined
  const wait = /^\d{1,9}$/u.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), DAY_MS)
}

/**
 * The failure that an answer other than 200 means to us; all of them are of the world. 400 and 404 are how providers
 * say that they know no such object, which a forgery and a reading replica both look like.
 */
export const failureOf = (answer: Answer, now: number): ProcessFailed => {
  const wait = retryAfterMs(answer.retryAfter, now)
  switch (answer.status) {
    case 400:
    case 404:
      return ProcessFailed.of("world", "unconfirmed", wait)
    case 401:
    case 403:
      return ProcessFailed.of("world", "provider_unauthorized", wait)
    case 429:
      return ProcessFailed.of("world", "provider_rate_limited", wait)
    default:
      return ProcessFailed.of("world", "provider_unavailable", wait)
  }
}

/** No answer, or one that cannot be read. */
export const unavailable = ProcessFailed.of("world", "provider_unavailable")
