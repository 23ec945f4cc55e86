import type { Act, Story } from "./SimulatedEvent.ts"
import * as Notices from "./TossNotices.ts"
import * as Payments from "./TossPayments.ts"
import type { TossOptions } from "./TossTransmission.ts"
import type { World } from "./World.ts"

type Plot = (world: World, options: TossOptions) => Story

/** What a Korean shop sees: cards, virtual accounts, and now and then the rest. */
const plots: ReadonlyArray<readonly [weight: number, plot: Plot]> = [
  [20, Payments.paidByCard],
  [8, Payments.givenBackInParts],
  [6, Payments.paidThenCancelled],
  [4, Payments.aborted],
  [2, Payments.expired],
  [8, Payments.deposit],
  [5, Payments.depositLife],
  [3, Payments.depositWithdrawn],
  [2, Payments.depositExpired],
  [6, Notices.payout],
  [1, Notices.seller],
  [2, Notices.billingDeleted],
  [1, Notices.methodUpdated],
  [1, Notices.customerStatusChanged],
  [1, Notices.cancelStatusChanged]
]

const draw = (world: World): Plot => {
  let left = world.int(
    1,
    plots.reduce((sum, [weight]) => sum + weight, 0)
  )
  for (const [weight, plot] of plots) {
    left -= weight
    if (left <= 0) return plot
  }
  return Payments.paidByCard
}

/** The first `room` events of a story; the world still moves as far as the last act of which something is told. */
const cut = (story: Story, room: number): Story => {
  const acts: Array<Act> = []
  let left = room
  for (const act of story) {
    if (left <= 0) break
    acts.push({ ...act, events: act.events.slice(0, left) })
    left -= act.events.length
  }
  return acts
}

/** Stories that tell exactly `count` events. */
export const stories = (world: World, count: number, options: TossOptions): Array<Story> => {
  const told: Array<Story> = []
  let left = count
  while (left > 0) {
    const story = cut(draw(world)(world, options), left)
    told.push(story)
    left -= story.reduce((sum, act) => sum + act.events.length, 0)
  }
  return told
}

/** One event that makes one fact. */
export const oneCard = (world: World, options: TossOptions): Act => Payments.paidByCard(world, options)[0]!
