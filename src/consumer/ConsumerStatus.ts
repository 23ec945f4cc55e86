/** What a consumer is doing. */
export type ConsumerState =
  /** Not yet a member of its group. */
  | "starting"
  | "running"
  /** Its own database cannot serve: nothing is fetched or counted, and it looks again by itself. */
  | "paused"
  /** Kafka is away, or kafkajs gave up: a new kafkajs consumer is on its way. */
  | "reconnecting"
  | "stopped"

/** Counts since the start of this process. */
export interface ConsumerCounts {
  /** Handler's work and inbox row committed. */
  readonly handled: number
  /** Came again and was not handled again. */
  readonly duplicates: number
  /** Passed by: a type without a handler. */
  readonly skipped: number
  /** Attempts that failed and were or will be repeated. */
  readonly retried: number
  readonly deadLettered: number
  /** Times that the consumer paused for its database. */
  readonly databaseOutages: number
  /** kafkajs consumers built after the first. */
  readonly reconnects: number
}

/** A look at a consumer of this process; costs nothing. */
export interface ConsumerStatus {
  readonly state: ConsumerState
  /** Why it is not running: a code such as `CONNECTION_CLOSED` or `UNKNOWN_TOPIC`. */
  readonly reason: string | null
  readonly counts: ConsumerCounts
  /** Handlers at work. */
  readonly inFlight: number
  /** Records fetched that wait for a handler, for their turn in their key, or for their next attempt. */
  readonly waiting: number
  /** Partitions that this member has now. */
  readonly assigned: ReadonlyArray<{ readonly topic: string; readonly partition: number }>
}

/** How far a group is behind in one partition, all members together. */
export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  /** The next offset that the group will handle; where it never committed one, the first of the partition. */
  readonly committed: string
  readonly end: string
  /** Offsets between the two. Transactions end with a record of Kafka's own, which counts as one. */
  readonly lag: number
}

type Mutable = { -readonly [Key in keyof ConsumerCounts]: ConsumerCounts[Key] }

/** Counts that the parts of a consumer add to. */
export const makeCounts = (): Mutable => ({
  handled: 0,
  duplicates: 0,
  skipped: 0,
  retried: 0,
  deadLettered: 0,
  databaseOutages: 0,
  reconnects: 0
})
export type Counts = ReturnType<typeof makeCounts>
