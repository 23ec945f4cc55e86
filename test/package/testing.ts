// As domain.ts: what a property test elsewhere may write.
import { Commands, given, Laws } from "oncegate/testing"

given().when(Commands.delivered(), 0).thenEvents({ _tag: "Claimed", fence: 1 })
if (Object.keys(Laws.all).length < 5) throw new Error("there are no laws")

let told = ""
try {
  given().when(Commands.delivered(), 0).thenEvents("Completed")
} catch (error) {
  told = (error as Error).message
}
if (told === "") throw new Error("a wrong expectation was met")
