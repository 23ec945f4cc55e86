import { Context } from "effect"

/** What an operator may set about leases and attempts. Milliseconds. */
export interface PolicyShape {
  readonly leaseMs: number
  readonly maxAttempts: number
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
}

export class Policy extends Context.Service<Policy, PolicyShape>()("oncegate/domain/Policy") {}

/**
 * A provider's API may not know a payment yet, or never: quick looks for some minutes, then 1 h, 6 h, 24 h, 96 h.
 * In units of the base, which is a second unless set otherwise.
 */
const UNCONFIRMED = [2, 4, 8, 15, 30, 60, 120, 3_600, 21_600, 86_400, 345_600]

/** Put off because others went first: that is no sign of trouble that lasts. */
const BUSY_DOUBLINGS = 5

/** Delay before the next attempt. `jitter` from 0 to 1 spreads attempts over half to one and a half times the delay. */
export const backoffMs = (policy: PolicyShape, code: string, failures: number, jitter: number) => {
  const delay =
    code === "unconfirmed"
      ? policy.backoffBaseMs * UNCONFIRMED[Math.min(failures, UNCONFIRMED.length - 1)]!
      : Math.min(
          policy.backoffMaxMs,
          policy.backoffBaseMs * 2 ** Math.min(failures, code === "provider_busy" ? BUSY_DOUBLINGS : 30)
        )
  return Math.round(delay * (0.5 + jitter))
}
