import type { BatchId } from "../infra/postgres/RelayCheckpoint.ts"
import type { Counts } from "../infra/rebase/compare.ts"
import type { Diagnosis } from "../infra/rebase/Diagnosis.ts"
import type { Rebased } from "../infra/rebase/Rebase.ts"
import type { StartAt } from "../infra/rebase/StartAt.ts"
import { table } from "./Table.ts"

const number = (value: number) => value.toLocaleString("en")
const both = ({ facts, outcomes }: Counts) => `${number(facts)} facts, ${number(outcomes)} outcomes`
const name = (id: BatchId | undefined) => (id === undefined ? "none" : `batch ${id.batch} (${id.nonce})`)

export const standingText = ({ clusterId, confirmed, kafka, open }: Diagnosis) =>
  table([
    ["", ""],
    ["Postgres", `${name(confirmed)}${open === undefined ? "" : `, and open ${name(open)}`}`],
    ["  of cluster", (open ?? confirmed)?.clusterId ?? "none"],
    ["Kafka", name(kafka)],
    ["  cluster", clusterId]
  ]).trim()

const flag = (startAt: StartAt) => `--from ${startAt}`

/** What was found and what each choice would do; `done` says it as done. */
export const rebasedText = ({ choices, comparison, diagnosis, startAt }: Rebased, done: boolean) => {
  const { covered, differing, doubled, logFrom, missing, present, strays, unbooked } = comparison
  const other = strays.facts + strays.outcomes > 0
  return [
    diagnosis.refusal === null
      ? "The two halves of the checkpoint agree."
      : `Refused, ${diagnosis.refusal.reason}: ${diagnosis.refusal.explanation}`,
    "",
    standingText(diagnosis),
    "",
    table([
      ["", "facts", "outcomes", ""],
      ["in the topics", present.facts, present.outcomes, ""],
      ["in the log, in no topic", missing.facts, missing.outcomes, "not published yet, or gone from Kafka"],
      ["  of these by Postgres published", covered.facts, covered.outcomes, "gone from Kafka"],
      ["in a topic, not in the log", strays.facts, strays.outcomes, "the database forgot them"]
    ]),
    "",
    table([
      ["choice", "publishes", "leaves out", ""],
      ...choices.map((choice) => [
        flag(choice.startAt),
        both(choice.publishes),
        both(choice.leavesOut),
        choice.startAt === startAt ? (done ? "<- done" : "<- chosen") : ""
      ])
    ]),
    "",
    "No choice publishes what a topic holds already.",
    ...(other
      ? [
          `${both(strays)} of a history that this database does not know ${done ? "are" : "would be"} kept in relay_strays; ${number(unbooked)} effects ${done ? "were" : "would be"} booked from them, so that a redelivery is not billed again.`,
          "What was answered 200 in that time and had not reached Kafka is in no system of ours: have the providers send that time again."
        ]
      : []),
    ...(doubled > 0
      ? [`${number(doubled)} records stand in their topic more than once: no rebase takes them away.`]
      : []),
    ...(differing.length > 0
      ? [
          `${differing.length}${differing.length === 100 ? " or more" : ""} facts stand in the topic over other money than is booked; what the topic holds was billed. A person must look: ${differing
            .slice(0, 10)
            .map(({ effect_key, endpoint }) => `${endpoint} ${effect_key}`)
            .join(", ")}`
        ]
      : []),
    ...(logFrom > 0
      ? [`The log begins at position ${logFrom}: what its retention dropped cannot be published from it.`]
      : []),
    ...(diagnosis.dumped
      ? [
          done
            ? "Rows of another server's transactions were given ids of this one."
            : "Rows of another server's transactions will be given ids of this one; gates wait for it."
        ]
      : [])
  ].join("\n")
}
