import { duplicateState } from "../../src/domain/Gate.ts"
import { dueIn } from "../../src/testing/look.ts"
import { gate } from "../../src/testing/Machine.ts"
import { perform } from "../../src/testing/perform.ts"
import { type EventId, eventIds } from "../../src/testing/Step.ts"
import { clock, sentence } from "../../src/testing/tell.ts"
import {
  beginning,
  later,
  noted,
  type Performed,
  type Stream,
  type World,
  withStream
} from "../../src/testing/World.ts"
import { gist } from "./gist.ts"
import type { FinalRow, Heard, Transcript } from "./transcript.ts"

const orders = <A>(items: ReadonlyArray<A>): Array<ReadonlyArray<A>> =>
  items.length < 2
    ? [items]
    : items.flatMap((item, index) => orders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))

const subsets = <A>([first, ...rest]: ReadonlyArray<A>): Array<ReadonlyArray<A>> =>
  first === undefined ? [[]] : subsets(rest).flatMap((some) => [some, [first, ...some]])

/**
 * Which state a duplicate met may be told as of a moment ago: the row was in it when the statement began, and another step
 * of the same moment moved it on. Nothing but the wording hangs on it (src/infra/postgres/reclaimStatement.ts says so).
 */
const lateWording = (past: ReadonlyArray<World>, performed: Performed, { answer, step }: Heard) => {
  const state = /^duplicate, (.+)$/.exec(answer)?.[1]
  if (state === undefined || step._tag !== "Deliver" || !performed.answer.startsWith("duplicate, ")) return []
  if (!past.some(({ streams }) => duplicateState(streams[step.event].state) === state)) return []
  const stream = performed.world.streams[step.event]
  const said = `DuplicateSeen ${performed.answer.slice("duplicate, ".length)}`
  const notes = { ...stream.notes, [said]: stream.notes[said]! - 1 }
  if (notes[said] === 0) delete notes[said]
  return [withStream(performed.world, step.event, noted({ ...stream, notes }, `DuplicateSeen ${state}`))]
}

/** A world at the end of a part of a round, with those before it in the round. */
interface Path {
  readonly world: World
  readonly past: ReadonlyArray<World>
}

/** Where a step may lead, with the answer that it got. A look steps over rows that another step of the round holds. */
const afterStep = ({ past, world }: Path, heard: Heard, isAlone: boolean): Array<Path> => {
  const { answer, fence, step } = heard
  const dues = step._tag === "Look" && !isAlone ? subsets(dueIn(step.lane, world)) : [undefined]
  return dues
    .flatMap((due) => {
      const performed = perform(gate, world, step, { fence, ...(due === undefined ? {} : { due }) })
      if (performed.answer === answer) return [performed.world]
      return isAlone ? [] : lateWording(past, performed, heard)
    })
    .map((next) => ({ world: next, past: [...past, next] }))
}

const afterRound = (world: World, round: ReadonlyArray<Heard>): Array<World> =>
  orders(round).flatMap((order) =>
    order
      .reduce<Array<Path>>(
        (paths, heard) => paths.flatMap((path) => afterStep(path, heard, round.length === 1)),
        [{ world, past: [world] }]
      )
      .map((path) => path.world)
  )

const ERROR_OF = (stream: Stream) => {
  const { changes, state } = stream
  if (state._tag === "Done") return changes.at(-1)?._tag === "Dismissed" ? "dismissed" : null
  return "code" in state ? state.code : null
}
const STATUS = { Processing: "processing", Failed: "failed", Parked: "failed", Done: "done" } as const

/** The row that the machine foretells. */
const rowOf = (stream: Stream): FinalRow | undefined => {
  const { state } = stream
  return state._tag === "Unseen"
    ? undefined
    : {
        status: STATUS[state._tag],
        fence: state.fence,
        attempts: state.attempts,
        failures: state.failures,
        version: stream.changes.length,
        error_code: ERROR_OF(stream),
        parked: state._tag === "Parked",
        leased: state._tag === "Processing"
      }
}

const text = (value: unknown) => JSON.stringify(value) ?? "none"
const inOrder = (record: Readonly<Record<string, unknown>> | undefined) =>
  text(Object.entries(record ?? {}).sort(([one], [other]) => one.localeCompare(other)))

/** Where tables and log differ from a world; nothing where they agree. Notes may be repeated where replies were lost. */
const differences = (world: World, found: Transcript, repeats: boolean): Array<string> => {
  const lines: Array<string> = []
  const differ = (what: string, expected: string, is: string) => {
    if (expected !== is) lines.push(`${what}\n    machine:  ${expected}\n    Postgres: ${is}`)
  }
  for (const id of eventIds) {
    const stream = world.streams[id as EventId]
    const row = found.rows[id]
    differ(`row of ${id}`, inOrder(rowOf(stream) as never), inOrder(row as never))
    differ(
      `log of ${id}`,
      stream.changes.map((event) => gist(event._tag, event as never)).join("; "),
      (found.changes[id] ?? []).join("; ")
    )
    const notes = found.notes[id] ?? {}
    const lacking = Object.entries(stream.notes).some(([note, count]) => (notes[note] ?? 0) < count)
    if (!repeats || lacking) differ(`notes of ${id}`, inOrder(stream.notes), inOrder(notes))
  }
  differ("booked", text(Object.keys(world.booked).sort()), text(found.booked))
  return lines
}

const tellRound = (at: number, round: ReadonlyArray<Heard>) =>
  round
    .map(
      ({ answer, fence, step }, index) =>
        `${index === 0 ? clock(at) : "   and"}  ${sentence(step, fence)} -> ${answer}`
    )
    .join("\n")

/** Why no order of the machine's steps leads to what the real gate did, as a story; undefined where one does. */
export const unexplained = (transcript: Transcript, repeats: boolean): string | undefined => {
  let worlds: Array<World> = [beginning]
  const story: Array<string> = []
  for (const { heard, waitMinutes } of transcript.rounds) {
    const made = heard.filter(({ answer }) => answer !== "-")
    worlds = worlds.map((world) => later(world, waitMinutes))
    if (made.length === 0) continue
    const [before] = worlds
    story.push(tellRound(before!.now, made))
    const all = worlds.flatMap((world) => afterRound(world, made))
    const next =
      all.length < 2 ? all : [...new Map(all.map((world) => [JSON.stringify(world), world])).values()]
    if (next.length === 0) {
      const one = made.reduce<{ world: World; told: Array<string> }>(
        ({ told, world }, { fence, step }) => {
          const performed = perform(gate, world, step, { fence })
          return { world: performed.world, told: [...told, performed.answer] }
        },
        { world: before!, told: [] }
      )
      return `${story.join("\n")}\n\nThe machine answers ${one.told.map((answer) => `"${answer}"`).join(", then ")}; no order gives what was heard.`
    }
    worlds = next
  }
  const verdicts = worlds.map((world) => differences(world, transcript, repeats))
  if (verdicts.some((lines) => lines.length === 0)) return undefined
  return `${story.join("\n")}\n\nIn the end, ${verdicts.sort((one, other) => one.length - other.length)[0]!.join("\n")}`
}
