/** What deliveries of a pool are: genuine PayPal captures, padded to a size; Toss card payments; or PayPal with a broken signature. */
export type Kind = "paypal" | "toss" | "forged"

export interface Pool {
  readonly kind: Kind
  /** Least size of a body in bytes; 0: as the provider sends it, about 1.5 kB. */
  readonly bytes: number
}

export const nameOf = ({ bytes, kind }: Pool) => `${kind}-${bytes}`
