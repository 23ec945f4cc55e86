import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import kafkajs from "kafkajs"
import type { ExpectedFact } from "../../src/infra/simulator/SimulatedEvent.ts"

export interface Read {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly data: Readonly<Record<string, unknown>>
}

/** A `read_committed` consumer of one topic, from its beginning; what it saw so far. */
export const follow = (brokers: ReadonlyArray<string>, topic: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const seen: Array<Read> = []
        const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
        const consumer = kafka.consumer({
          groupId: `${topic}-${randomBytes(4).toString("hex")}`,
          readUncommitted: false,
          maxWaitTimeInMs: 100,
          retry: { retries: 50, initialRetryTime: 50 }
        })
        await consumer.connect()
        await consumer.subscribe({ topics: [topic], fromBeginning: true })
        await consumer.run({
          eachMessage: async ({ message }) => {
            seen.push({
              key: String(message.key),
              headers: Object.fromEntries(
                Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])
              ),
              data: JSON.parse(String(message.value))
            })
          }
        })
        return { seen, stop: () => consumer.disconnect() }
      }),
      ({ stop }) => Effect.promise(stop)
    ),
    ({ seen }) => seen as ReadonlyArray<Read>
  )

/** The parts of a fact that a provider's simulator foretells. */
export const foretold = ({ data, headers }: Read): ExpectedFact => ({
  endpoint: data.endpoint as ExpectedFact["endpoint"],
  type: headers.ce_type as ExpectedFact["type"],
  effect_key: String(data.effect_key),
  payment_reference: String(data.payment_reference),
  object_id: String(data.object_id),
  amount: data.amount as ExpectedFact["amount"],
  parent_reference: data.parent_reference as string | null
})

export const sorted = (facts: ReadonlyArray<ExpectedFact>) =>
  facts
    .map(({ amount, effect_key, endpoint, object_id, parent_reference, payment_reference, type }) =>
      JSON.stringify([
        endpoint,
        effect_key,
        type,
        payment_reference,
        object_id,
        parent_reference,
        amount?.value,
        amount?.currency
      ])
    )
    .sort()
