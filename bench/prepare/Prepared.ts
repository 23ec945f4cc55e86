/** One delivery in a file, a line each. `headers` without the address of the certificate, which each run has anew. */
export interface Prepared {
  readonly id: string
  readonly endpoint: "paypal" | "toss"
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The dedup key that the gate must give it, and whether it is to be refused. */
  readonly key: string
  readonly refused?: true
}
