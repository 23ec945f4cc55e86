import type { Consumer } from "kafkajs"
import * as Positions from "./Positions.ts"
import type { Assignment } from "./session.ts"

interface Partition extends Assignment {
  readonly positions: Positions.Positions
  isOpen: boolean
  isPaused: boolean
  committed: string | undefined
}

/** The partitions of one assignment: what is fetched, held back and ready to be committed. */
export interface Flow {
  readonly assignment: ReadonlyArray<Assignment>
  /** From now on fetches are taken. */
  readonly open: () => void
  /** The partition, where its fetches are taken. */
  readonly find: (topic: string, partition: number) => Partition | undefined
  /** Pauses what is full and resumes what has room again. */
  readonly regulate: (standstill: boolean) => void
  /** What can be committed and is not; `settle` notes that it was. */
  readonly due: () => {
    readonly offsets: ReadonlyArray<Assignment & { readonly offset: string }>
    readonly settle: () => void
  }
}

/** Finished records behind an unfinished one cost little, but not nothing. */
const HELD = 20

export const make = (consumer: Consumer, assignment: ReadonlyArray<Assignment>, buffer: number): Flow => {
  const nameOf = (topic: string, partition: number) => `${topic}/${partition}`
  const partitions = new Map<string, Partition>(
    assignment.map(({ topic, partition }) => [
      nameOf(topic, partition),
      {
        topic,
        partition,
        positions: Positions.make(),
        isOpen: false,
        isPaused: false,
        committed: undefined
      }
    ])
  )
  // kafkajs remembers what was paused before the group was joined anew.
  for (const { topic, partition } of assignment) consumer.resume([{ topic, partitions: [partition] }])

  return {
    assignment,
    open: () => {
      for (const partition of partitions.values()) partition.isOpen = true
    },
    find: (topic, number) => {
      const partition = partitions.get(nameOf(topic, number))
      return partition?.isOpen ? partition : undefined
    },
    regulate: (standstill) => {
      for (const partition of partitions.values()) {
        const { positions, topic, isPaused } = partition
        const pending = positions.pending()
        const isFull = pending >= buffer || positions.held() >= buffer * HELD
        const hasRoom = pending <= buffer / 2 && positions.held() < buffer * HELD
        if (!isPaused && (standstill || isFull)) {
          partition.isPaused = true
          consumer.pause([{ topic, partitions: [partition.partition] }])
        } else if (isPaused && !standstill && hasRoom) {
          partition.isPaused = false
          consumer.resume([{ topic, partitions: [partition.partition] }])
        }
      }
    },
    due: () => {
      const found = [...partitions.values()].flatMap((partition) => {
        const offset = partition.positions.next()
        return offset === undefined || offset === partition.committed ? [] : [{ partition, offset }]
      })
      return {
        offsets: found.map(({ partition: { topic, partition }, offset }) => ({ topic, partition, offset })),
        settle: () => {
          for (const { partition, offset } of found) partition.committed = offset
        }
      }
    }
  }
}
