import { createRequire } from "node:module"
import type { Message } from "kafkajs"
import { RecordBatch } from "./RecordBatch.ts"

/**
 * Lets kafkajs 2.2.4 send records that are encoded already. Everything else stays its own: partitions, leaders,
 * sequence numbers, transactions, retries. Only the body of the Produce request is written here, and only where all its
 * messages are ours; see docs/adr/0017.
 */
interface Encoder {
  writeString(value: string | null | undefined): Encoder
  writeInt16(value: number): Encoder
  writeInt32(value: number): Encoder
  writeBuffer(value: Buffer): Encoder
}
interface ProduceArguments {
  readonly acks: number
  readonly timeout: number
  readonly transactionalId?: string | null
  readonly producerId: number | string | bigint
  readonly producerEpoch: number
  readonly topicData: ReadonlyArray<{
    readonly topic: string
    readonly partitions: ReadonlyArray<{
      readonly partition: number | string
      readonly firstSequence: number
      readonly messages: ReadonlyArray<Message>
    }>
  }>
}
interface Call {
  readonly request: { readonly apiVersion: number; encode: () => Promise<Encoder> }
}
interface Produce {
  protocol: (version: { readonly version: number }) => (given: ProduceArguments) => Call
}

const require = createRequire(import.meta.url)
const produce = require("kafkajs/src/protocol/requests/produce") as Produce
const KafkajsEncoder = require("kafkajs/src/protocol/encoder") as new (size: number) => Encoder

const batchOf = ({ value }: Message) =>
  (value as unknown) instanceof RecordBatch && (value as unknown as RecordBatch)

/**
 * A batch as messages of kafkajs, one for each record, for it counts them. The value is the whole batch and no bytes: a
 * kafkajs that is not patched cannot send it by mistake, but fails.
 */
export const toMessages = (batch: RecordBatch, partition: number): Array<Message> =>
  new Array<Message>(batch.count).fill({ partition, value: batch as unknown as Buffer })

interface Sent {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly firstSequence: number
}
const sent = new WeakMap<RecordBatch, Sent>()

/**
 * When one broker fails, kafkajs repeats the parts of all that have not answered yet, and gives those that are still on
 * their way new sequence numbers: the broker would take them for other records, and hold them twice.
 */
const refuseSecond = (batch: RecordBatch, { firstSequence, producerEpoch, producerId }: Sent) => {
  const before = sent.get(batch)
  if (
    before?.producerId === producerId &&
    before.producerEpoch === producerEpoch &&
    before.firstSequence !== firstSequence
  )
    throw Object.assign(new Error("a batch was sent a second time"), { code: "LEADER_MOVED" })
  sent.set(batch, { producerId, producerEpoch, firstSequence })
}

const encode = (given: ProduceArguments) => {
  const { acks, timeout, producerEpoch, topicData, transactionalId } = given
  const producerId = BigInt(given.producerId)
  const timestampMs = Date.now()
  const topics = topicData.map(({ topic, partitions }) => ({
    topic,
    batches: partitions.map(({ firstSequence, messages, partition }) => {
      const batch = batchOf(messages[0]!)
      if (!batch || batch.count !== messages.length) throw new Error("a batch was taken apart")
      const transactional = transactionalId != null
      refuseSecond(batch, { producerId, producerEpoch, firstSequence })
      const sender = { transactional, producerId, producerEpoch, firstSequence, timestampMs }
      return { partition: Number(partition), bytes: batch.seal(sender) }
    })
  }))
  let size = 256
  for (const { topic, batches } of topics)
    for (const { bytes } of batches) size += bytes.length + 16 + topic.length
  const encoder = new KafkajsEncoder(size)
    .writeString(transactionalId ?? null)
    .writeInt16(acks)
    .writeInt32(timeout)
    .writeInt32(topics.length)
  for (const { topic, batches } of topics) {
    encoder.writeString(topic).writeInt32(batches.length)
    for (const { bytes, partition } of batches)
      encoder.writeInt32(partition).writeInt32(bytes.length).writeBuffer(bytes)
  }
  return encoder
}

/** From version 3 (transactions) to 7, the last one of kafkajs, the body of the request is the same. */
const FIRST_VERSION = 3
const LAST_VERSION = 7

const original = produce.protocol
produce.protocol = ({ version }) => {
  const make = original({ version })
  return (given) => {
    const call = make(given)
    const ours = given.topicData.every(({ partitions }) =>
      partitions.every(({ messages }) => messages.every(batchOf))
    )
    if (ours && version >= FIRST_VERSION && version <= LAST_VERSION)
      call.request.encode = async () => encode(given)
    return call
  }
}
