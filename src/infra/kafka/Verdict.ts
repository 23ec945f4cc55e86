import { Result, Schema } from "effect"
import type { BatchId, BatchRow, Standing } from "../postgres/RelayCheckpoint.ts"

/** The Kafka side of the checkpoint: `last` is the offset (batch) and metadata (nonce) of the relay's group. */
export interface KafkaStanding {
  readonly clusterId: string
  readonly last: BatchId | undefined
}

/**
 * Postgres and Kafka do not tell the same story: going on by either could lose facts or publish them twice, so a person
 * decides. The explanation says what is seen on both sides.
 */
export class CheckpointRefused extends Schema.TaggedError<CheckpointRefused>()("CheckpointRefused", {
  reason: Schema.Literals([
    "other_cluster",
    "postgres_empty",
    "postgres_behind",
    "kafka_behind",
    "histories_differ",
    "offset_gone",
    "records_gone",
    "transaction_hangs",
    "rebase_unfinished",
    "dump_of_other_server"
  ]),
  explanation: Schema.String
}) {}

export type Verdict =
  /** Neither side was ever used. */
  | { readonly _tag: "Begin" }
  /** Both sides agree, or Kafka forgot its side and nothing was under way. */
  | { readonly _tag: "GoOn"; readonly from: BatchRow; readonly recommit: boolean }
  /** The open batch is in Kafka: only its confirmation was lost. */
  | { readonly _tag: "Confirm"; readonly open: BatchRow }
  /** The open batch is not in Kafka: it was aborted, and is published again. */
  | { readonly _tag: "Remove"; readonly open: BatchRow }

const same = (a: BatchId | undefined, b: BatchId | undefined) =>
  a !== undefined && b !== undefined && a.batch === b.batch && a.nonce === b.nonce

const name = (id: BatchId | undefined) => (id === undefined ? "none" : `batch ${id.batch} (${id.nonce})`)

/** How each explanation ends. */
export const MEND =
  "The gate goes on and everything waits in the log. `oncegate relay rebase` mends this: it first shows what each choice would publish or leave out."

/** What Kafka also says before the markers of its last transactions are written. */
export const seemsBehind = ({ reason }: CheckpointRefused) =>
  reason === "kafka_behind" || reason === "offset_gone"

/** Partitions whose records no reader gets to see. */
export const transactionHangs = (partitions: number) =>
  new CheckpointRefused({
    reason: "transaction_hangs",
    explanation: `Kafka has not ended a transaction in ${partitions} partitions of our topics, and believes that it has: their consumers stand still before it. Kafka 4.3.0 to 4.4.0 do so where a broker is killed (KAFKA-20734). ${MEND}`
  })

/** The nonce in Kafka while a rebase is under way: no row of Postgres has it, so every relay refuses it. */
export const rebaseNonce = (uuid: string) => `rebase-${uuid}`

/**
 * What the two halves of the checkpoint say together. Only valid for a relay that holds the lock and has fenced its
 * predecessor: by then the predecessor's transaction is committed or aborted, and nothing in between.
 */
export const judge = (
  { confirmed, open }: Standing,
  kafka: KafkaStanding
): Result.Result<Verdict, CheckpointRefused> => {
  const refuse = (reason: CheckpointRefused["reason"], because: string) =>
    Result.fail(
      new CheckpointRefused({
        reason,
        explanation: [
          because,
          `Postgres: last confirmed ${name(confirmed)}, open ${name(open)}, written for cluster ${(open ?? confirmed)?.clusterId ?? "none"}.`,
          `Kafka: ${name(kafka.last)}, cluster ${kafka.clusterId}.`,
          MEND
        ].join(" ")
      })
    )
  const newest = open ?? confirmed

  if (newest === undefined) {
    return kafka.last === undefined
      ? Result.succeed({ _tag: "Begin" })
      : refuse(
          "postgres_empty",
          "Kafka holds the checkpoint of a relay, this database knows of none: it is a new or emptied one behind topics already in use."
        )
  }
  if (kafka.last?.nonce.startsWith(rebaseNonce("")))
    return refuse("rebase_unfinished", "A rebase is under way, or was broken off: run it again.")
  // Whatever cluster was written to before: this very batch is in this one.
  if (open?.clusterId === kafka.clusterId && same(kafka.last, open))
    return Result.succeed({ _tag: "Confirm", open })
  if ([open, confirmed].some((row) => row !== undefined && row.clusterId !== kafka.clusterId))
    return refuse("other_cluster", "This is not the Kafka cluster that this database was published to.")

  if (kafka.last === undefined) {
    if (open === undefined) return Result.succeed({ _tag: "GoOn", from: confirmed!, recommit: true })
    // Batch 0 carries no record: whether it was committed makes no difference.
    if (confirmed === undefined && open.batch === 0) return Result.succeed({ _tag: "Remove", open })
    return refuse(
      "offset_gone",
      "Kafka has forgotten the relay's offset while a batch was under way: whether that batch was published cannot be told."
    )
  }
  if (same(kafka.last, confirmed)) {
    return Result.succeed(
      open === undefined ? { _tag: "GoOn", from: confirmed!, recommit: false } : { _tag: "Remove", open }
    )
  }
  if (kafka.last.batch > newest.batch)
    return refuse(
      "postgres_behind",
      "Kafka is ahead of this database: the database was restored to an earlier time."
    )
  if (kafka.last.batch < (confirmed?.batch ?? newest.batch))
    return refuse(
      "kafka_behind",
      "Kafka is behind this database: Kafka was restored, or lost acknowledged records."
    )
  return refuse(
    "histories_differ",
    "Postgres and Kafka hold batches of the same number with different nonces: one of them was restored and then written to."
  )
}
