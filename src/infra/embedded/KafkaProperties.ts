export type KafkaProperties = Readonly<Record<string, string | number>>

/** One broker that is its own controller, on the loopback and without any security; it needs little. */
export const single = (
  ports: { readonly broker: number; readonly controller: number },
  data: string
): KafkaProperties => ({
  "process.roles": "broker,controller",
  "node.id": 1,
  // Fixed voters: the dynamic kind stores ports in the metadata, and ours may change between two starts.
  "controller.quorum.voters": `1@127.0.0.1:${ports.controller}`,
  listeners: `PLAINTEXT://127.0.0.1:${ports.broker},CONTROLLER://127.0.0.1:${ports.controller}`,
  "advertised.listeners": `PLAINTEXT://127.0.0.1:${ports.broker}`,
  "controller.listener.names": "CONTROLLER",
  "inter.broker.listener.name": "PLAINTEXT",
  "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
  "log.dirs": data,
  "offsets.topic.replication.factor": 1,
  "offsets.topic.num.partitions": 1,
  "transaction.state.log.replication.factor": 1,
  "transaction.state.log.min.isr": 1,
  "transaction.state.log.num.partitions": 1,
  "share.coordinator.state.topic.replication.factor": 1,
  "share.coordinator.state.topic.min.isr": 1,
  "group.initial.rebalance.delay.ms": 0,
  "auto.create.topics.enable": "false",
  "log.cleaner.dedupe.buffer.size": 16_777_216
})

/** As Kafka reads them from a file. */
export const toText = (properties: KafkaProperties) =>
  Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("")
