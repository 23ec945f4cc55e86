import { Effect, Exit } from "effect"
import { type DatabaseError, isSilence } from "./DatabaseError.ts"
import * as GroupMetrics from "./GroupMetrics.ts"

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly since: number
  readonly resume: (answer: Effect.Effect<Answer, DatabaseError>) => void
}

export interface GroupingOptions<Item, Answer> {
  /** Of the statement, in metrics. */
  readonly name: string
  readonly maxRows: number
  /** Statements in flight at once; each takes one connection. */
  readonly inFlight: number
  /** Items that share one of these may not stand in one group: the later one waits for the next. */
  readonly exclusive: (item: Item) => ReadonlyArray<string>
  /**
   * Where no reply came in time the group fails, and with it whoever waits behind it: nobody waits for longer than one
   * statement. Else the statement is sent once more, as after a lost connection.
   */
  readonly failsInSilence?: boolean
  /** One commit for the whole group; answers in the order of the items. Must bear to be run again with the same items. */
  readonly run: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<Answer>, DatabaseError>
}

/** Rows of a group, and statements in flight: more of either made no more of the whole. */
export const MAX_ROWS = 200
export const IN_FLIGHT = 2

/** What names an event among the items of a group. */
export const rowName = (provider: string, dedupKey: string) => `${provider}\n${dedupKey}`

/** Deadlocks and unseen rows are rare and short-lived: past this many the database is in trouble. */
const REPEATS = 20

/**
 * Group commit: what arrives while a statement is in flight goes into the next one. Nobody waits for company: what
 * came in during one turn of the event loop leaves together, at once.
 */
export const make = Effect.fnUntraced(function* <Item, Answer>(options: GroupingOptions<Item, Answer>) {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const tell = GroupMetrics.of(options.name)
  const queue: Array<Waiting<Item, Answer>> = []
  let inFlight = 0
  let scheduled = false

  const take = () => {
    const group: Array<Waiting<Item, Answer>> = []
    const left: Array<Waiting<Item, Answer>> = []
    const names = new Set<string>()
    for (const waiting of queue) {
      const exclusive = group.length < options.maxRows ? options.exclusive(waiting.item) : undefined
      if (exclusive === undefined || exclusive.some((name) => names.has(name))) {
        left.push(waiting)
      } else {
        for (const name of exclusive) names.add(name)
        group.push(waiting)
      }
    }
    queue.length = 0
    queue.push(...left)
    return group
  }

  /** A repeat carries the same tokens and fences, so that a statement whose reply was lost is recognised as ours. */
  const attempt = (
    items: ReadonlyArray<Item>,
    repeats = 0,
    lost = 0
  ): Effect.Effect<ReadonlyArray<Answer>, DatabaseError> =>
    Effect.catch(options.run(items), (error) => {
      if (error.fate === "repeat" && repeats < REPEATS)
        return Effect.delay(attempt(items, repeats + 1, lost), repeats * 5 * Math.random())
      if (error.fate === "ambiguous" && lost < 1 && !(options.failsInSilence === true && isSilence(error)))
        return attempt(items, repeats, lost + 1)
      return Effect.fail(error)
    })

  /** Answers with the silence that ended it, if one did: nobody may be asked for behind it. */
  const settle = (group: ReadonlyArray<Waiting<Item, Answer>>): Effect.Effect<DatabaseError | undefined> =>
    Effect.matchEffect(attempt(group.map(({ item }) => item)), {
      onSuccess: (answers) =>
        Effect.sync(() => {
          group.forEach(({ resume }, index) => {
            resume(Effect.succeed(answers[index]!))
          })
          return undefined
        }),
      onFailure: (error) =>
        // One bad row never fails its group.
        error.fate === "data" && group.length > 1
          ? Effect.gen(function* () {
              for (const [index, waiting] of group.entries()) {
                const silence = yield* settle([waiting])
                if (silence === undefined) continue
                for (const { resume } of group.slice(index + 1)) resume(Effect.fail(silence))
                return silence
              }
              return undefined
            })
          : Effect.sync(() => {
              const isOver = options.failsInSilence === true && isSilence(error)
              for (const { resume } of isOver ? [...group, ...queue.splice(0)] : group)
                resume(Effect.fail(error))
              return isOver ? error : undefined
            })
    })

  /** What waits longest stands first. */
  const measured = (group: ReadonlyArray<Waiting<Item, Answer>>) =>
    Effect.suspend(() => {
      const begun = performance.now()
      return Effect.andThen(
        settle(group),
        Effect.suspend(() =>
          tell({
            rows: group.length,
            waitedMs: begun - group[0]!.since,
            statementMs: performance.now() - begun
          })
        )
      )
    })

  const pump = () => {
    scheduled = false
    while (inFlight < options.inFlight && queue.length > 0) {
      const group = take()
      inFlight += 1
      fork(measured(group)).addObserver((exit) => {
        inFlight -= 1
        // A defect is a fault of ours: whoever waits must not wait for ever.
        if (Exit.isFailure(exit))
          for (const { resume } of group) resume(Effect.failCause(exit.cause as never))
        if (queue.length > 0) pump()
      })
    }
  }

  return (item: Item): Effect.Effect<Answer, DatabaseError> =>
    Effect.uninterruptible(
      Effect.callback<Answer, DatabaseError>((resume) => {
        queue.push({ item, since: performance.now(), resume })
        if (!scheduled) {
          scheduled = true
          setImmediate(pump)
        }
      })
    )
})
