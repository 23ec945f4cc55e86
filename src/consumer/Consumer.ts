import { Context, Layer } from "effect"
import type { ConsumerOptions } from "./ConsumerOptions.ts"
import { type ConsumerShape, make } from "./engine.ts"

/**
 * A consumer of billing events for Effect programs: it consumes for as long as its layer lives. Handlers may need
 * services; the layer then needs them too.
 */
export class Consumer extends Context.Service<Consumer, ConsumerShape>()("oncegate/consumer/Consumer") {
  static readonly layer = <R = never>(options: ConsumerOptions<R>) => Layer.effect(Consumer, make(options))
}
