import { crc32c } from "./Crc32c.ts"

/** What a record is made of. */
export interface RecordContent {
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

/** Who sends a batch, and under which sequence number. */
export interface BatchSender {
  readonly transactional: boolean
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly firstSequence: number
  /** Of all its records: when it is sent, milliseconds since 1970. */
  readonly timestampMs: number
}

// https://kafka.apache.org/documentation/#recordbatch
const LENGTH = 8
const EPOCH = 12
const MAGIC = 16
const CRC = 17
const ATTRIBUTES = 21
const LAST_OFFSET_DELTA = 23
const FIRST_TIMESTAMP = 27
const MAX_TIMESTAMP = 35
const PRODUCER_ID = 43
const PRODUCER_EPOCH = 51
const FIRST_SEQUENCE = 53
const COUNT = 57
const RECORDS = 61
const TRANSACTIONAL = 16
/** Attributes, timestamp delta and offset delta of a record. */
const FRONT_BYTES = 7

/** Key, value and headers of one record at a time; grows to the largest one. */
let scratch = Buffer.allocUnsafe(32_768)

/** A zigzag varint; returns where it ends. */
const putVarint = (into: Buffer, start: number, value: number): number => {
  let rest = value << 1
  let at = start
  while (rest > 0x7f) {
    into[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[at++] = rest
  return at
}

const putString = (start: number, text: string): number => {
  // Nearly always ASCII: then the length is known before the bytes are.
  const at = putVarint(scratch, start, text.length)
  const written = scratch.write(text, at, "utf8")
  if (written === text.length) return at + written
  const again = putVarint(scratch, start, written)
  return again + scratch.write(text, again, "utf8")
}

const encode = ({ key, value, headers }: RecordContent): number => {
  const names = Object.keys(headers)
  let room = 20 + key.length * 3 + value.length
  for (const name of names) room += 10 + (name.length + headers[name]!.length) * 3
  if (room > scratch.length) scratch = Buffer.allocUnsafe(room * 2)
  let at = putString(0, key)
  at = putVarint(scratch, at, value.length)
  scratch.set(value, at)
  at = putVarint(scratch, at + value.length, names.length)
  for (const name of names) at = putString(putString(at, name), headers[name]!)
  return at
}

/**
 * The records of one partition, encoded as they are added, in the one format that Kafka has had since 0.11. kafkajs
 * makes a buffer of 512 bytes for every header and some thirty objects for every record: half of the relay's time.
 */
export class RecordBatch {
  private buffer = Buffer.allocUnsafe(4096)
  private end = RECORDS
  private records = 0

  get count(): number {
    return this.records
  }

  /** Adds a record, unless the batch would grow over `limit` bytes by it; the first one is always taken. */
  add(record: RecordContent, limit: number): boolean {
    const length = encode(record)
    const most = this.end + FRONT_BYTES + 5 + length
    if (this.records > 0 && most > limit) return false
    if (most > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(most, this.buffer.length * 2))
      this.buffer.copy(larger, 0, 0, this.end)
      this.buffer = larger
    }
    const { buffer } = this
    let delta = 1
    for (let rest = this.records << 1; rest > 0x7f; rest >>>= 7) delta += 1
    let at = putVarint(buffer, this.end, 2 + delta + length)
    buffer[at++] = 0
    buffer[at++] = 0
    at = putVarint(buffer, at, this.records)
    scratch.copy(buffer, at, 0, length)
    this.end = at + length
    this.records += 1
    return true
  }

  /** Bytes of the whole batch. */
  get size(): number {
    return this.end
  }

  /** The batch as it goes over the wire; may be asked for again with another sender. */
  seal(sender: BatchSender): Buffer {
    const { buffer, end, records } = this
    buffer.writeBigInt64BE(0n, 0)
    buffer.writeInt32BE(end - EPOCH, LENGTH)
    buffer.writeInt32BE(0, EPOCH)
    buffer.writeInt8(2, MAGIC)
    buffer.writeInt16BE(sender.transactional ? TRANSACTIONAL : 0, ATTRIBUTES)
    buffer.writeInt32BE(records - 1, LAST_OFFSET_DELTA)
    buffer.writeBigInt64BE(BigInt(sender.timestampMs), FIRST_TIMESTAMP)
    buffer.writeBigInt64BE(BigInt(sender.timestampMs), MAX_TIMESTAMP)
    buffer.writeBigInt64BE(sender.producerId, PRODUCER_ID)
    buffer.writeInt16BE(sender.producerEpoch, PRODUCER_EPOCH)
    buffer.writeInt32BE(sender.firstSequence, FIRST_SEQUENCE)
    buffer.writeInt32BE(records, COUNT)
    buffer.writeUInt32BE(crc32c(buffer, ATTRIBUTES, end), CRC)
    return buffer.subarray(0, end)
  }
}
