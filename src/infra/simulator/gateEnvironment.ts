/** Of a running simulator, what a gate must know. */
export interface SimulatedProviders {
  readonly origin: string
  readonly webhookId: string
  readonly caFile: string
  readonly tossSecretKey: string
  readonly securityKeys: ReadonlyArray<string>
}

/** The variables under which a gate takes the simulated providers for its own. */
export const gateEnvironment = (simulator: SimulatedProviders) => ({
  PAYPAL_WEBHOOK_ID: simulator.webhookId,
  PAYPAL_ENVIRONMENT: "sandbox",
  PAYPAL_CERT_ORIGIN: simulator.origin,
  PAYPAL_API_ORIGIN: simulator.origin,
  PAYPAL_CA_FILE: simulator.caFile,
  TOSS_SECRET_KEY: simulator.tossSecretKey,
  TOSS_SECURITY_KEYS: simulator.securityKeys.join(","),
  TOSS_API_ORIGIN: simulator.origin,
  ALLOW_TEST_PROVIDERS: "yes"
})
