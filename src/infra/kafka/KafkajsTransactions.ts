import { AsyncLocalStorage } from "node:async_hooks"
import { createRequire } from "node:module"

/** What brokers do when they are asked, and kafkajs 2.2.4 has no words or no patience for. */
interface Partitions {
  readonly topic: string
  readonly partitions: ReadonlyArray<number>
}
interface Transaction {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}
interface Broker {
  listOffsets: (given: { isolationLevel?: number; topics: ReadonlyArray<unknown> }) => Promise<unknown>
  addPartitionsToTxn: (given: Transaction & { topics: ReadonlyArray<Partitions> }) => Promise<unknown>
  addOffsetsToTxn: (given: Transaction & { groupId: string }) => Promise<unknown>
}

const { prototype } = createRequire(import.meta.url)("kafkajs/src/broker") as { readonly prototype: Broker }
const READ_UNCOMMITTED = 0

const uncommitted = new AsyncLocalStorage<true>()
const { listOffsets } = prototype
prototype.listOffsets = function (this: Broker, given) {
  return listOffsets.call(
    this,
    uncommitted.getStore() ? { ...given, isolationLevel: READ_UNCOMMITTED } : given
  )
}

/** A transaction begins when the markers of the last one are written: kafkajs waits for it with records only. */
const PATIENCE_MS = 5000
const PAUSE_MS = 10
const patiently = async <A>(call: () => Promise<A>): Promise<A> => {
  const end = performance.now() + PATIENCE_MS
  while (true) {
    try {
      return await call()
    } catch (error) {
      if ((error as { type?: unknown }).type !== "CONCURRENT_TRANSACTIONS" || performance.now() > end)
        throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}

const joined = new AsyncLocalStorage<ReadonlyArray<Partitions>>()
const { addOffsetsToTxn } = prototype
prototype.addOffsetsToTxn = async function (this: Broker, given) {
  const topics = joined.getStore() ?? []
  const { producerEpoch, producerId, transactionalId } = given
  if (topics.length > 0)
    await patiently(() => this.addPartitionsToTxn({ transactionalId, producerId, producerEpoch, topics }))
  return patiently(() => addOffsetsToTxn.call(this, given))
}

/** Ends of partitions that are asked for in `call` are behind every record, also of a transaction that has not ended. */
export const withUncommitted = <A>(call: () => Promise<A>) => uncommitted.run(true, call)

/** A transaction to which offsets are sent in `call` ends in these partitions too, though nothing is written to them. */
export const joining = <A>(topics: ReadonlyArray<Partitions>, call: () => Promise<A>) =>
  joined.run(topics, call)
