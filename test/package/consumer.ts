// As domain.ts: what a billing team's project may write.
import { type ConsumedEvent, type ConsumerOptions, INBOX_DDL, startConsumer } from "oncegate/consumer"

const seen: Array<ConsumedEvent> = []
export const options: Pick<ConsumerOptions, "groupId" | "concurrency"> = { groupId: "ledger", concurrency: 4 }
if (!INBOX_DDL.includes("oncegate_inbox")) throw new Error("the inbox has no table")
if (typeof startConsumer !== "function" || seen.length > 0) throw new Error("there is no consumer to start")

// @ts-expect-error: the types have arrived, so a consumer wants its options
export const refused: () => unknown = () => startConsumer(1)
