import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** Kafka's requests whose replies are lost one by one. https://kafka.apache.org/protocol#protocol_api_keys */
export const APIS = { produce: 0, addPartitions: 24, addOffsets: 25, endTxn: 26, offsetCommit: 28 } as const
export type Api = keyof typeof APIS
/** What a relay asks for before it takes over. */
const OFFSET_FETCH = 9

/** Cuts a stream of Kafka into its messages, each with its length in front. */
const frames = (onFrame: (frame: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      onFrame(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  silent: boolean
}

/** Stands between relays and a broker and does to their connections what networks do. */
export const startFaultyProxy = async (brokerPort: number) => {
  const pairs = new Set<Pair>()
  let refusing = false
  let delayMs = 0
  let losing: number | undefined
  let lost = 0
  let holding: number | undefined
  let hold: PromiseWithResolvers<void> | undefined

  const server = createServer((client) => {
    if (refusing) return void client.destroy()
    const upstream = connect(brokerPort, "127.0.0.1")
    const pair: Pair = { client, upstream, silent: false }
    const apis = new Map<number, number>()
    /** What is delayed or held stays in order and arrives, even if its sender is dead by then: as in a network. */
    const line = (to: Socket) => {
      let before = Promise.resolve()
      return (data: Buffer | undefined, held?: Promise<void>) => {
        const due = performance.now() + delayMs
        before = before.then(async () => {
          await held
          const rest = due - performance.now()
          if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest))
          if (pair.silent) return
          if (data === undefined) to.end()
          else to.write(data)
        })
      }
    }
    const toBroker = line(upstream)
    const toClient = line(client)
    const onRequest = frames((frame) => {
      const api = frame.readInt16BE(4)
      apis.set(frame.readInt32BE(8), api)
      const isHeld = holding === api && hold === undefined
      if (isHeld) hold = Promise.withResolvers<void>()
      toBroker(frame, isHeld ? hold?.promise : undefined)
    })
    const onReply = frames((frame) => {
      const correlation = frame.readInt32BE(4)
      const api = apis.get(correlation)
      apis.delete(correlation)
      if (api === OFFSET_FETCH) hold?.resolve()
      if (losing === undefined || api !== losing) return toClient(frame)
      losing = undefined
      lost += 1
      client.destroy()
      upstream.destroy()
    })
    pairs.add(pair)
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on("error", () => {})
    }
    client.on("data", onRequest)
    upstream.on("data", onReply)
    client.on("close", () => toBroker(undefined))
    upstream.on("close", () => {
      pairs.delete(pair)
      client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const cut = () => {
    for (const { client, upstream } of pairs) {
      client.destroy()
      upstream.destroy()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    /** Connections that stand go silent and stay open; new ones work. */
    halfOpen: () => {
      for (const pair of pairs) pair.silent = true
    },
    refuse: (on: boolean) => {
      refusing = on
      if (on) cut()
    },
    delay: (ms: number) => {
      delayMs = ms
    },
    /** The next reply to such a request is thrown away, and its connection cut; undefined: none any more. */
    lose: (api: Api | undefined) => {
      losing = api === undefined ? undefined : APIS[api]
    },
    lost: () => lost,
    /**
     * The next commit stays in the network until somebody asks for the group's offsets; `disturb` runs meanwhile. The
     * worst moment for a commit to arrive is behind the first look of a successor.
     */
    holdCommit: async (disturb: () => PromiseLike<unknown>, limitMs: number) => {
      hold = undefined
      holding = APIS.endTxn
      const end = performance.now() + limitMs
      const isOver = () => performance.now() > end
      while (hold === undefined && !isOver()) await new Promise((resolve) => setTimeout(resolve, 5))
      holding = undefined
      const held = hold as PromiseWithResolvers<void> | undefined
      if (held !== undefined) {
        await disturb()
        setTimeout(held.resolve, Math.max(0, end - performance.now())).unref()
        await held.promise
      }
      hold = undefined
    },
    close: () => {
      cut()
      server.close()
    }
  }
}
export type FaultyProxy = Awaited<ReturnType<typeof startFaultyProxy>>
