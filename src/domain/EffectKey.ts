import { Schema } from "effect"

/** Identity of a billing fact, unique within its endpoint; recipes in docs/events.md. Printable ASCII, at most 255 bytes. */
export const EffectKey = Schema.String.check(Schema.isPattern(/^[!-~]{1,255}$/u)).pipe(
  Schema.brand("EffectKey")
)
export type EffectKey = typeof EffectKey.Type
