const KST = 9 * 3_600_000

/** `2026-01-02T14:46:58+09:00`: how Toss writes the times of a payment. */
export const withOffset = (at: number) => `${new Date(at + KST).toISOString().slice(0, 19)}+09:00`

/** `2026-01-02T14:46:59.653270`: `createdAt` of payment events is local time without an offset, six digits long. */
export const local = (at: number) => `${new Date(at + KST).toISOString().slice(0, 23)}270`

/** `20260102144643`, as it stands inside payment keys. */
export const compact = (at: number) => new Date(at + KST).toISOString().replace(/\D/g, "").slice(0, 14)
