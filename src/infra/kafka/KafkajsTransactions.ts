import { AsyncLocalStorage } from "node:async_hooks"
import { createRequire } from "node:module"

/** Two things that brokers do when they are asked, and that kafkajs 2.2.4 has no words for. */
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

const joined = new AsyncLocalStorage<ReadonlyArray<Partitions>>()
const { addOffsetsToTxn } = prototype
prototype.addOffsetsToTxn = async function (this: Broker, given) {
  const topics = joined.getStore() ?? []
  const { producerEpoch, producerId, transactionalId } = given
  if (topics.length > 0) await this.addPartitionsToTxn({ transactionalId, producerId, producerEpoch, topics })
  return addOffsetsToTxn.call(this, given)
}

/** Ends of partitions that are asked for in `call` are behind every record, also of a transaction that has not ended. */
export const withUncommitted = <A>(call: () => Promise<A>) => uncommitted.run(true, call)

/** A transaction to which offsets are sent in `call` ends in these partitions too, though nothing is written to them. */
export const joining = <A>(topics: ReadonlyArray<Partitions>, call: () => Promise<A>) =>
  joined.run(topics, call)
