/** How long and how often is measured. Seconds. */
export interface Settings {
  readonly rounds: number
  readonly seconds: number
  readonly warmup: number
  readonly keys: number
  /** How long Kafka is away in the scenario `outage`. */
  readonly away: number
  /** Webhooks a second in it. */
  readonly rate: number
  readonly peers: boolean
  readonly cores: number
  /** Folder for CPU profiles of the gate. */
  readonly profile?: string | undefined
}
