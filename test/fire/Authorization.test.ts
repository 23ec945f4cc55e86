import { it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import kafkajs, { type AclEntry } from "kafkajs"
import { describe, expect } from "vitest"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { writeBulk } from "../infra/kafka/LogWriter.ts"
import { isCaughtUp } from "../infra/kafka/RelayFixture.ts"
import { openWorld, type RunningRelay, waitFor } from "../infra/kafka/RelayWorld.ts"
import * as KafkaNodes from "../support/KafkaNodes.ts"
import { countOf, exactly } from "./Topic.ts"

const { AclOperationTypes: Can, AclResourceTypes: On } = kafkajs
const PASSWORD = "a-broker-password"
const sasl = (username: string) => ({ mechanism: "plain", username, password: PASSWORD }) as const

const settings = (port: number, controller: number) => ({
  listeners: `SASL_PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
  "advertised.listeners": `SASL_PLAINTEXT://127.0.0.1:${port}`,
  "inter.broker.listener.name": "SASL_PLAINTEXT",
  "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
  "sasl.enabled.mechanisms": "PLAIN",
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.sasl_plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${PASSWORD}" user_admin="${PASSWORD}" user_relay="${PASSWORD}";`,
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  // The controller's listener knows nobody by name.
  "super.users": "User:admin;User:ANONYMOUS"
})

describe.skipIf(process.env.ONCEGATE_FIRE !== "all")("a cluster with rights", () => {
  it.live(
    "each right that lacks stops the relay with one alarm that names it; granted, it goes on by itself",
    () =>
      Effect.gen(function* () {
        const { brokers } = yield* KafkaNodes.start({ folder: yield* dataFolder, settings })
        yield* Effect.promise(async () => {
          const world = await openWorld({
            brokers,
            sasl: { ...sasl("relay"), password: Redacted.make(PASSWORD) }
          })
          const kafka = new kafkajs.Kafka({
            brokers: [...brokers],
            sasl: sasl("admin"),
            logLevel: kafkajs.logLevel.NOTHING
          })
          const admin = kafka.admin()
          await admin.connect()
          const right = (resourceType: number, resourceName: string, operation: number): AclEntry => ({
            resourceType,
            resourceName,
            resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
            principal: "User:relay",
            host: "*",
            operation,
            permissionType: kafkajs.AclPermissionTypes.ALLOW
          })
          const { checkpoint, events, group, outcomes, transactionalId } = world.names
          const topics = [events, outcomes, checkpoint]
          const write = right(On.TOPIC, events, Can.WRITE)
          const transact = right(On.TRANSACTIONAL_ID, transactionalId, Can.WRITE)
          const read = right(On.GROUP, group, Can.READ)
          const grant = (...acl: ReadonlyArray<AclEntry>) => admin.createAcls({ acl: [...acl] })
          const revoke = (acl: AclEntry) => admin.deleteAcls({ filters: [acl] })

          const alarms = () => world.logs.filter((line) => line.startsWith("ALARM relay_stopped")).length
          const stops = async (relay: RunningRelay, operation: string, code: string) => {
            const { reason } = await relay.until(
              (status) =>
                status.state === "stopped" && status.reason!.explanation.includes(`${operation}: ${code}`)
            )
            expect(reason).toMatchObject({ code: "relay_stopped" })
            expect(reason!.explanation).toContain("Rights in Kafka")
          }
          try {
            await writeBulk(world.sql, 5, "A")
            const relay = world.startRelay()
            await stops(relay, "topics.create", "TOPIC_AUTHORIZATION_FAILED")
            await grant(...topics.map((topic) => right(On.TOPIC, topic, Can.CREATE)))
            await stops(relay, "topics.metadata", "TOPIC_AUTHORIZATION_FAILED")
            await grant(
              right(On.TOPIC, events, Can.DESCRIBE),
              ...[outcomes, checkpoint].map((topic) => right(On.TOPIC, topic, Can.DESCRIBE))
            )
            await stops(relay, "checkpoint.fetch", "GROUP_AUTHORIZATION_FAILED")
            await grant(read)
            // Writing to any topic implies it.
            await stops(relay, "fence.connect", "CLUSTER_AUTHORIZATION_FAILED")
            await grant(right(On.TOPIC, outcomes, Can.WRITE))
            await stops(relay, "fence", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED")
            await grant(transact)
            await stops(relay, "publish", "TOPIC_AUTHORIZATION_FAILED")
            await grant(right(On.TOPIC, checkpoint, Can.READ))
            await waitFor(
              "the first batch",
              () => world.sql`SELECT 1 FROM relay_checkpoint WHERE batch = 1`,
              (rows) => rows.length === 1
            )
            await stops(relay, "publish", "TOPIC_AUTHORIZATION_FAILED")
            // All of it one outage: one alarm.
            expect(alarms()).toBe(1)
            await grant(write)
            await relay.until(isCaughtUp(10))
            // Reading settings is a right of its own, and no reason to stand still.
            expect((await relay.status()).findings).toMatchObject([{ setting: "settings" }])

            const all = [
              [write, "publish", "TOPIC_AUTHORIZATION_FAILED"],
              [transact, "publish", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"],
              [read, "publish", "GROUP_AUTHORIZATION_FAILED"]
            ] as const
            let written = 5
            for (const [acl, operation, code] of all) {
              const before = alarms()
              await relay.until(({ backlog, state }) => state === "active" && backlog === 0)
              await revoke(acl)
              await writeBulk(world.sql, 5, `R${written}x`)
              written += 5
              await stops(relay, operation, code)
              expect(alarms()).toBe(before + 1)
              await grant(acl)
              await relay.until(isCaughtUp(2 * written))
            }
            expect(await countOf({ ...world, kafka }, written)).toEqual(exactly(written))
          } finally {
            await admin.disconnect()
            await world.close()
          }
        })
      }).pipe(Effect.scoped),
    400_000
  )
})
