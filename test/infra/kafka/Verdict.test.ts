import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { judge } from "../../../src/infra/kafka/Verdict.ts"
import type { BatchRow } from "../../../src/infra/postgres/RelayCheckpoint.ts"

const row = (batch: number, nonce: string, clusterId = "C1"): BatchRow => ({
  batch,
  nonce,
  clusterId,
  place: { from: "1:1:", to: "9:9:", position: batch * 10 }
})
const verdict = (
  postgres: { confirmed?: BatchRow; open?: BatchRow },
  last: readonly [number, string] | undefined,
  clusterId = "C1"
) => {
  const kafka = { clusterId, last: last && { batch: last[0], nonce: last[1] } }
  return Result.match(judge({ confirmed: undefined, open: undefined, ...postgres }, kafka), {
    onSuccess: ({ _tag }) => _tag as string,
    onFailure: ({ reason }) => `refused: ${reason}`
  })
}

describe("the two halves of the checkpoint", () => {
  const cases: ReadonlyArray<readonly [string, Parameters<typeof verdict>, string]> = [
    ["never used on either side", [{}, undefined], "Begin"],
    ["agree", [{ confirmed: row(5, "a") }, [5, "a"]], "GoOn"],
    ["the open batch is in Kafka", [{ confirmed: row(5, "a"), open: row(6, "b") }, [6, "b"]], "Confirm"],
    ["the open batch was aborted", [{ confirmed: row(5, "a"), open: row(6, "b") }, [5, "a"]], "Remove"],
    [
      "a rebase is under way, or was broken off",
      [{ confirmed: row(5, "a"), open: row(6, "b") }, [6, "rebase-b"]],
      "refused: rebase_unfinished"
    ],
    [
      "the open batch is in the new cluster, the last one was in another",
      [{ confirmed: row(5, "a"), open: row(6, "b", "C2") }, [6, "b"], "C2"],
      "Confirm"
    ],
    ["the very first batch is in Kafka", [{ open: row(0, "a") }, [0, "a"]], "Confirm"],
    ["the very first batch was aborted", [{ open: row(0, "a") }, undefined], "Remove"],
    ["Kafka's offset expired, nothing open", [{ confirmed: row(5, "a") }, undefined], "GoOn"],
    [
      "Kafka's offset expired, a batch open",
      [{ confirmed: row(5, "a"), open: row(6, "b") }, undefined],
      "refused: offset_gone"
    ],
    ["an emptied database", [{}, [5, "a"]], "refused: postgres_empty"],
    ["a restored database", [{ confirmed: row(5, "a") }, [9, "x"]], "refused: postgres_behind"],
    [
      "a restored database with its open batch",
      [{ confirmed: row(5, "a"), open: row(6, "b") }, [9, "x"]],
      "refused: postgres_behind"
    ],
    [
      "a restored database that was written to",
      [{ confirmed: row(9, "y") }, [9, "x"]],
      "refused: histories_differ"
    ],
    [
      "another nonce of the open batch",
      [{ confirmed: row(5, "a"), open: row(6, "b") }, [6, "x"]],
      "refused: histories_differ"
    ],
    ["a restored Kafka", [{ confirmed: row(5, "a") }, [3, "x"]], "refused: kafka_behind"],
    ["another cluster, never used", [{ confirmed: row(5, "a") }, undefined, "C2"], "refused: other_cluster"],
    ["another cluster, used", [{ confirmed: row(5, "a") }, [5, "a"], "C2"], "refused: other_cluster"]
  ]

  it.each(cases)("%s", (_, [postgres, last, clusterId], expected) => {
    expect(verdict(postgres, last, clusterId)).toBe(expected)
  })

  it("a refusal says what is seen on both sides and names what mends it", () => {
    const refusal = judge(
      { confirmed: row(5, "a"), open: row(6, "b") },
      { clusterId: "C1", last: { batch: 9, nonce: "x" } }
    )
    const { explanation } = Result.isFailure(refusal) ? refusal.failure : { explanation: "" }
    for (const part of ["batch 5 (a)", "batch 6 (b)", "batch 9 (x)", "C1", "oncegate relay rebase"])
      expect(explanation).toContain(part)
  })
})
