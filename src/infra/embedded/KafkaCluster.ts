import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { Effect } from "effect"

/** 16 random bytes as Kafka writes them; a leading `-` would read like an option of its tools. */
export const newClusterId = (): string => {
  const id = randomBytes(16).toString("base64url")
  return id.startsWith("-") ? newClusterId() : id
}

const METADATA = 3
const CLIENT = "oncegate-start"

/** A Metadata request, version 2, that asks for no topic: the smallest one whose answer names the cluster. */
const request = () => {
  const body = Buffer.alloc(14 + CLIENT.length + 4)
  body.writeInt32BE(body.length - 4, 0)
  body.writeInt16BE(METADATA, 4)
  body.writeInt16BE(2, 6)
  body.writeInt32BE(1, 8)
  body.writeInt16BE(CLIENT.length, 12)
  body.write(CLIENT, 14, "latin1")
  body.writeInt32BE(0, 14 + CLIENT.length)
  return body
}

/** The cluster id in the answer; `undefined` as long as no broker is registered in it. */
const clusterIn = (answer: Buffer): string | undefined => {
  const brokers = answer.readInt32BE(8)
  let at = 12
  const skipText = () => {
    at += 2 + Math.max(0, answer.readInt16BE(at))
  }
  for (let i = 0; i < brokers; i++) {
    at += 4 // node id
    skipText() // host
    at += 4 // port
    skipText() // rack
  }
  const length = answer.readInt16BE(at)
  return brokers > 0 && length > 0 ? answer.toString("latin1", at + 2, at + 2 + length) : undefined
}

/**
 * Asks the broker at `host:port` for the id of its cluster; `undefined` while it does not answer or is not ready. Spoken
 * by hand, because polling with a client that is not up yet costs retries, timers and warnings.
 * https://kafka.apache.org/protocol#The_Messages_Metadata
 */
export const clusterAt = (broker: string) =>
  Effect.callback<string | undefined>((resume) => {
    const [host = "", port = ""] = broker.split(":")
    let answer: Buffer = Buffer.alloc(0)
    const socket = connect({ host, port: Number(port), timeout: 2_000 })
    const end = (id: string | undefined) => {
      socket.destroy()
      resume(Effect.succeed(id))
    }
    socket.once("connect", () => socket.write(request()))
    socket.on("data", (chunk) => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) end(clusterIn(answer))
    })
    socket.once("timeout", () => end(undefined))
    socket.once("error", () => end(undefined))
    socket.once("close", () => end(undefined))
    return Effect.sync(() => socket.destroy())
  })
