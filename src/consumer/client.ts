import kafkajs from "kafkajs"
import "../infra/kafka/KafkajsIdleTimer.ts"
import type { BaseOptions } from "./ConsumerOptions.ts"

/** A client of kafkajs with settings that hold under faults. Its own log lines quote much and say little: they are off. */
export const makeClient = ({ brokers, clientId, groupId, ssl, sasl }: BaseOptions) =>
  new kafkajs.Kafka({
    clientId: clientId ?? groupId,
    brokers: [...brokers],
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: 3_000,
    authenticationTimeout: 5_000,
    requestTimeout: 10_000,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 5 },
    logLevel: kafkajs.logLevel.NOTHING
  })
