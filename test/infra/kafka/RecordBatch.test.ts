import { createRequire } from "node:module"
import kafkajs from "kafkajs"
import { describe, expect, it } from "vitest"
import { crc32c } from "../../../src/infra/kafka/Crc32c.ts"
import { partitionOf } from "../../../src/infra/kafka/Partition.ts"
import { RecordBatch, type RecordContent } from "../../../src/infra/kafka/RecordBatch.ts"

// kafkajs's own encoders are the reference, byte for byte.
const require = createRequire(import.meta.url)
const Record = require("kafkajs/src/protocol/recordBatch/record/v0") as (record: object) => unknown
const { RecordBatch: reference } = require("kafkajs/src/protocol/recordBatch/v0") as {
  readonly RecordBatch: (batch: object) => Promise<{ readonly buffer: Buffer }>
}

const sender = {
  transactional: true,
  producerId: 4_294_967_297n,
  producerEpoch: 513,
  firstSequence: 70_000,
  timestampMs: 1_767_323_045_678
}
const expected = async (records: ReadonlyArray<RecordContent>) =>
  (
    await reference({
      ...sender,
      producerId: String(sender.producerId),
      firstTimestamp: sender.timestampMs,
      maxTimestamp: sender.timestampMs,
      lastOffsetDelta: records.length - 1,
      records: records.map((record, offsetDelta) => Record({ ...record, offsetDelta, timestampDelta: 0 }))
    })
  ).buffer

const encoded = (records: ReadonlyArray<RecordContent>) => {
  const batch = new RecordBatch()
  for (const record of records) expect(batch.add(record, Number.POSITIVE_INFINITY)).toBe(true)
  expect(batch.count).toBe(records.length)
  const bytes = batch.seal(sender)
  expect(batch.size).toBe(bytes.length)
  return bytes
}

const record = (text: string, size = 300): RecordContent => ({
  key: `paypal/${text}`,
  value: Buffer.from(JSON.stringify({ text: text.repeat(size) })),
  headers: { ce_id: text, ce_subject: text.repeat(3), "content-type": "application/json" }
})

describe("a batch of records", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<RecordContent>]> = [
    ["one record", [record("a")]],
    ["no headers, nothing in it", [{ key: "", value: Buffer.alloc(0), headers: {} }]],
    ["offset deltas of two and three bytes", Array.from({ length: 9000 }, (_, n) => record(`n${n}`, 1))],
    [
      "text that is not ASCII",
      ["é", "結제", "𝒳", "a\u0000b", `${"x".repeat(63)}é`].map((text) => record(text))
    ],
    [
      "lengths around every step of a varint",
      [62, 63, 64, 65, 8190, 8191, 8192, 8193].map((size) => ({
        key: "k".repeat(size),
        value: Buffer.alloc(size, 7),
        headers: { ["h".repeat(size)]: "v".repeat(size) }
      }))
    ],
    [
      "a value over the room of any before",
      [record("x", 1), { ...record("y"), value: Buffer.alloc(3_000_000, 1) }]
    ]
  ]
  it.each(cases)("is what kafkajs would have sent: %s", async (_, records) => {
    expect(encoded(records).equals(await expected(records))).toBe(true)
  })

  it("is sent again under another sequence number by what did not change", async () => {
    const batch = new RecordBatch()
    batch.add(record("a"), 1000)
    batch.seal({ ...sender, firstSequence: 1, producerEpoch: 9 })
    expect(batch.seal(sender).equals(await expected([record("a")]))).toBe(true)
  })

  it("takes no record over its limit, but always a first one", () => {
    const batch = new RecordBatch()
    expect(batch.add(record("a"), 10)).toBe(true)
    const { size } = batch
    expect(batch.add(record("b"), size + 100)).toBe(false)
    expect([batch.count, batch.size]).toEqual([1, size])
    expect(batch.add(record("b"), 10_000)).toBe(true)
    expect(batch.seal(sender).length).toBeLessThanOrEqual(10_000)
  })
})

it("CRC-32C of RFC 3720", () => {
  const of = (bytes: Buffer) => crc32c(bytes, 0, bytes.length)
  expect(of(Buffer.from("123456789"))).toBe(0xe3069283)
  expect(of(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(of(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(of(Buffer.from(Array.from({ length: 32 }, (_, n) => n)))).toBe(0x46dd794e)
})

it("a key's partition is that of Java's clients", () => {
  const java = kafkajs.Partitioners.DefaultPartitioner()
  for (let n = 0; n < 2000; n++) {
    const key = `paypal/${"é結x7-_".slice(0, n % 6)}${n * 7919}${"k".repeat(n % 9)}`
    for (const partitions of [1, 12, 7]) {
      const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
        partitionId,
        leader: 0,
        replicas: [],
        isr: [],
        partitionErrorCode: 0
      }))
      expect(partitionOf(key, partitions)).toBe(
        java({ topic: "t", partitionMetadata, message: { key, value: "" } })
      )
    }
  }
})
