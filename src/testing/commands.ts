import { EffectKey } from "../domain/EffectKey.ts"
import type { ErrorCode, FailureKind } from "../domain/ErrorCode.ts"
import { Fence } from "../domain/Fence.ts"
import type { GateCommand, Limits } from "../domain/Gate.ts"

/** The limits of the commands below: three attempts, a second between re-claims by redeliveries. */
export const limits: Limits = { maxAttempts: 3, redeliveryIntervalMs: 1_000 }

/** A delivery asks for the claim. `leaseUntil`: end of the present lease, milliseconds. */
export const delivered = (leaseUntil: number | null = null): GateCommand => ({
  _tag: "Claim",
  by: "delivery",
  limits,
  leaseUntil,
  requestHash: null,
  eventType: null
})

/** The rescuer or the retry loop asks for it. */
export const taken = (leaseUntil: number | null = null): GateCommand => ({
  ...(delivered(leaseUntil) as GateCommand & { _tag: "Claim" }),
  by: "gate"
})

export const renewed = (fence: number): GateCommand => ({ _tag: "Renew", fence: Fence.make(fence) })

/** With the billing facts of these effect keys. */
export const completed = (fence: number, ...effects: ReadonlyArray<string>): GateCommand => ({
  _tag: "Complete",
  fence: Fence.make(fence),
  effects: effects.map((effect) => EffectKey.make(effect)),
  eventType: null,
  note: null
})

/** The next attempt is due after `delayMs`. */
export const failed = (
  fence: number,
  kind: FailureKind = "event",
  options: { readonly code?: ErrorCode; readonly delayMs?: number } = {}
): GateCommand => ({
  _tag: "Fail",
  fence: Fence.make(fence),
  kind,
  code: options.code ?? "unexpected",
  limits,
  delayMs: options.delayMs ?? 5_000
})

export const released = (fence: number): GateCommand => ({ _tag: "Release", fence: Fence.make(fence) })

const who = { by: "ann", reason: "looked into it" }
export const redriven: GateCommand = { _tag: "Redrive", ...who }
export const dismissed: GateCommand = { _tag: "Dismiss", ...who }
