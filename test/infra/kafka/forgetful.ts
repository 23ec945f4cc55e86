import { createRequire } from "node:module"
import kafkajs, { type Admin } from "kafkajs"

interface Broker {
  addPartitionsToTxn: (given: { readonly transactionalId: string }) => Promise<unknown>
}
const { prototype } = createRequire(import.meta.url)("kafkajs/src/broker") as { readonly prototype: Broker }
const { addPartitionsToTxn } = prototype
const forgotten = new Set<string>()
prototype.addPartitionsToTxn = function (this: Broker, given) {
  return forgotten.has(given.transactionalId) ? Promise.resolve() : addPartitionsToTxn.call(this, given)
}

/**
 * While `work` runs, Kafka ends the transactions of this id in no partition of a topic, and believes that it did: as
 * where a broker is killed and started again, and its coordinator finds no leaders (KAFKA-20734). The brokers are those
 * of tests: that they take records for partitions of which they were not told stays so, for others may be at it too.
 */
export const forgetting = async <A>(admin: Admin, transactionalId: string, work: () => Promise<A>) => {
  const { brokers } = await admin.describeCluster()
  await admin.alterConfigs({
    validateOnly: false,
    resources: brokers.map(({ nodeId }) => ({
      type: kafkajs.ConfigResourceTypes.BROKER,
      name: String(nodeId),
      configEntries: [{ name: "transaction.partition.verification.enable", value: "false" }]
    }))
  })
  forgotten.add(transactionalId)
  try {
    return await work()
  } finally {
    forgotten.delete(transactionalId)
  }
}
