import { createRequire } from "node:module"

/**
 * Makes kafkajs 2.2.4 say that a right lacks, in the two places where it says something else: the relay would wait for
 * ever for what a person must mend.
 */
const require = createRequire(import.meta.url)

interface Said {
  readonly name?: string
  readonly type?: string
}
interface Wanted {
  readonly groupId: string
  readonly coordinatorType: number
}
interface Cluster {
  readonly brokerPool: {
    readonly withBroker: <A>(
      ask: (found: {
        readonly broker: { readonly findGroupCoordinator: (wanted: Wanted) => Promise<unknown> }
      }) => Promise<A>
    ) => Promise<A | null>
  }
  findGroupCoordinatorMetadata: (wanted: Wanted) => Promise<unknown>
}

const { prototype } = require("kafkajs/src/cluster") as { readonly prototype: Cluster }
const find = prototype.findGroupCoordinatorMetadata

// It asks every broker for a coordinator, throws away what they say, and ends with "not found", as if they were down.
prototype.findGroupCoordinatorMetadata = async function (this: Cluster, wanted) {
  try {
    return await find.call(this, wanted)
  } catch (error) {
    if ((error as Said).name !== "KafkaJSGroupCoordinatorNotFound") throw error
    const said = await this.brokerPool.withBroker(({ broker }) =>
      broker.findGroupCoordinator(wanted).then(
        () => null,
        (refusal: Said) => refusal
      )
    )
    throw said?.type?.endsWith("_AUTHORIZATION_FAILED") ? said : error
  }
}

interface AddPartitions {
  readonly errors: ReadonlyArray<{
    readonly topic: string
    readonly partitionErrors: ReadonlyArray<{ readonly partition: number; readonly errorCode: number }>
  }>
}
interface AddPartitionsReply {
  parse: (reply: AddPartitions) => Promise<unknown>
}
const OPERATION_NOT_ATTEMPTED = 55

// Of the partitions of a transaction it tells the first error: of one that is allowed, that it was not tried because
// of another one. What became of that one is what matters.
for (const version of ["v0", "v1"]) {
  const reply = require(
    `kafkajs/src/protocol/requests/addPartitionsToTxn/${version}/response`
  ) as AddPartitionsReply
  const { parse } = reply
  reply.parse = (given) => {
    const errors = given.errors.map((topic) => ({
      ...topic,
      partitionErrors: topic.partitionErrors.filter(({ errorCode }) => errorCode !== OPERATION_NOT_ATTEMPTED)
    }))
    const isExplained = errors.some(({ partitionErrors }) =>
      partitionErrors.some(({ errorCode }) => errorCode !== 0)
    )
    return parse(isExplained ? { ...given, errors } : given)
  }
}
