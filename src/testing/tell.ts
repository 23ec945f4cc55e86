import type { GateState } from "../domain/Gate.ts"
import type { Step } from "./Step.ts"
import type { Made } from "./Trail.ts"

const LANES = {
  rescue: "expired leases",
  retry: "failures that are due",
  unconfirmed: "unconfirmed events that are due"
}
const KINDS = {
  permanent: "for good",
  world: "by the provider's fault",
  unconfirmed: "as unconfirmed",
  event: "by its own fault"
}

const inShort = (facts: ReadonlyArray<string>) => facts.join(" and ") || "no fact"

/** A step in plain words. */
export const sentence = (step: Step, fence?: number): string => {
  const under = fence === undefined ? "" : ` under fence ${fence}`
  switch (step._tag) {
    case "Deliver":
      return `${step.event === "a~" ? "another body of a" : step.event} is delivered to gate ${step.gate}${
        step.proves === null || step.event === "a~" || step.event === "q"
          ? ""
          : `, proving ${inShort(step.proves)}`
      }`
    case "Look":
      return `gate ${step.gate} looks for ${LANES[step.lane]}`
    case "Renew":
      return `gate ${step.gate} renews ${step.event}${under}`
    case "Complete":
      return `gate ${step.gate} completes ${step.event}${under} with ${inShort(step.facts)}`
    case "Fail":
      return `gate ${step.gate} fails ${step.event}${under} ${KINDS[step.kind]}, next attempt in ${step.delayMinutes} min`
    case "Release":
      return `gate ${step.gate} hands ${step.event} back${under}`
    case "Redrive":
      return `a person re-drives ${step.event}`
    case "Dismiss":
      return `a person dismisses ${step.event}`
  }
}

/** A state in a few words. */
export const inWords = (state: GateState): string =>
  state._tag === "Unseen"
    ? "unseen"
    : `${state._tag}, fence ${state.fence}, attempts ${state.attempts}, failures ${state.failures}${"code" in state ? `, ${state.code}` : ""}`

/** Minutes of the world as hours and minutes. */
export const clock = (ms: number) => {
  const minutes = Math.floor(ms / 60_000)
  return `${String(Math.floor(minutes / 60)).padStart(3)}:${String(minutes % 60).padStart(2, "0")}`
}

/** A trail as a story: when, what happened, what was answered, and what the event was then. */
export const tell = (trail: ReadonlyArray<Made>): string =>
  trail
    .flatMap(({ after, answer, at, before, events, fence, step }) => {
      const moved = Object.keys(after.streams).filter(
        (id) => after.streams[id as "a"].state !== before.streams[id as "a"].state
      )
      return [
        `${clock(at)}  ${sentence(step, fence)} -> ${answer}`,
        ...(events.length > 0
          ? [`          log: ${events.map(([id, { _tag }]) => `${id} ${_tag}`).join(", ")}`]
          : []),
        ...moved.map((id) => `          now: ${id} ${inWords(after.streams[id as "a"].state)}`)
      ]
    })
    .join("\n")
