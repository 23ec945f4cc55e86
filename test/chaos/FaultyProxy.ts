import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** Kafka's requests whose replies are lost one by one. https://kafka.apache.org/protocol#protocol_api_keys */
export const APIS = { produce: 0, addPartitions: 24, addOffsets: 25, endTxn: 26, offsetCommit: 28 } as const
export type Api = keyof typeof APIS

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

  const server = createServer((client) => {
    if (refusing) return void client.destroy()
    const upstream = connect(brokerPort, "127.0.0.1")
    const pair: Pair = { client, upstream, silent: false }
    const apis = new Map<number, number>()
    /** What is delayed stays in order and arrives, even if the sender is dead by then: as in a network. */
    const line = (to: Socket) => {
      let freeAt = 0
      return (data: Buffer | undefined) => {
        const now = performance.now()
        freeAt = Math.max(freeAt, now + delayMs)
        const send = () => {
          if (pair.silent) return
          if (data === undefined) to.end()
          else to.write(data)
        }
        if (freeAt <= now) send()
        else setTimeout(send, freeAt - now)
      }
    }
    const toBroker = line(upstream)
    const toClient = line(client)
    const onRequest = frames((frame) => {
      apis.set(frame.readInt32BE(8), frame.readInt16BE(4))
      toBroker(frame)
    })
    const onReply = frames((frame) => {
      const correlation = frame.readInt32BE(4)
      const api = apis.get(correlation)
      apis.delete(correlation)
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
    /** The next reply to such a request is thrown away, and its connection cut. */
    lose: (api: Api) => {
      losing = APIS[api]
    },
    lost: () => lost,
    close: () => {
      cut()
      server.close()
    }
  }
}
export type FaultyProxy = Awaited<ReturnType<typeof startFaultyProxy>>
