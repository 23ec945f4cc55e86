import { connect, type Socket } from "node:net"
import postgres from "postgres"

/**
 * One connection to the server, for one life: once lost, it is thrown away with the driver's state. postgres.js 3.4.9
 * would connect again by itself and carry over what the lost connection left: bytes not yet sent and the mark that they
 * are about to be, with which it never greets a server again; the error and the rows of half a reply, for the next
 * statement. https://github.com/porsager/postgres/issues/1154
 */
export interface Wire {
  /** Throws where it is lost. */
  readonly sql: postgres.Sql
  /** False once it is lost or cut. */
  readonly isWhole: () => boolean
  /** To be told of each answer: the server is well. */
  readonly answered: () => void
  /** Ends it at once, with what is under way; the server finds out by itself. */
  readonly cut: () => void
  /** Waits for what is under way, up to two seconds. */
  readonly close: () => Promise<void>
}

/** What the wires of one pool know of their server together. */
export interface Pace {
  /** Since the last answer. */
  losses: number
  lostAt: number
  /** Which host of a list is dialled: the next one after each wire that never had an answer. */
  turn: number
}
export const newPace = (): Pace => ({ losses: 0, lostAt: 0, turn: 0 })

/** After a restart the pool must be back within a second, and until then be no storm of connections of its own. */
const restMs = ({ losses, lostAt }: Pace) =>
  losses === 0 ? 0 : lostAt + Math.min(10 * 2 ** losses, 500) - performance.now()

type Options = postgres.Options<Record<string, postgres.PostgresType>>
/** What the driver knows of the server when it asks for a socket. */
interface Address {
  readonly host: ReadonlyArray<string>
  readonly port: ReadonlyArray<number>
  readonly path?: string | false
}

/** The driver swallows the errors of a list of hosts: it is given one at a time. */
const hostOf = (url: string, turn: number) => {
  const { host, port } = postgres(url, { max: 1 }).options
  return { host: host[turn % host.length]!, port: port[turn % port.length]! }
}

/** The certificate must be this host's: where it is an address the driver names none, and then any of ours would do. */
const named = (ssl: NonNullable<Options["ssl"]>, host: string) =>
  typeof ssl === "object" ? { ...ssl, host: host.replace(/^\[|\]$/g, "") } : ssl

const connectionLost = () => Object.assign(new Error("the connection is lost"), { code: "CONNECTION_LOST" })

/** Connects at the first statement. */
export const open = (url: string, options: Options, pace: Pace): Wire => {
  let made: postgres.Sql | undefined
  let socket: Socket | undefined
  let turn = pace.turn
  let isLost = false
  let isProven = false
  const lose = () => {
    if (isLost) return
    isLost = true
    pace.losses += 1
    pace.lostAt = performance.now()
    if (!isProven && pace.turn === turn) pace.turn += 1
  }
  /** What the driver writes before the connection stands, the socket keeps for it. */
  const dial = async ({ host: [host], path, port: [port] }: Address) => {
    const rest = restMs(pace)
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest))
    if (isLost || socket !== undefined) {
      // Asked again: the connection was lost before the statement was sent.
      lose()
      throw connectionLost()
    }
    // Its name is what TLS checks.
    socket = Object.assign(path ? connect(path) : connect(port!, host!), { host })
    // Between a socket's error and its end the driver would take another statement, and forget it.
    return socket.on("error", lose)
  }
  const make = () => {
    turn = pace.turn
    const address = hostOf(url, turn)
    const mine: Options & { socket: typeof dial } = {
      ...options,
      ...address,
      ssl: named(options.ssl ?? false, address.host),
      max: 1,
      max_lifetime: null,
      // It would ask each connection for the types, and let a failure of that end the process.
      fetch_types: false,
      onclose: lose,
      socket: dial
    }
    return postgres(url, mine)
  }
  const cut = () => {
    lose()
    socket?.destroy()
  }
  // Over TLS the driver takes our listener off: the socket's own word tells what its error would have.
  const isGone = () => {
    if (socket?.destroyed === true) lose()
    return isLost
  }
  return {
    get sql() {
      if (isGone()) throw connectionLost()
      made ??= make()
      return made
    },
    isWhole: () => !isGone(),
    answered: () => {
      isProven = true
      pace.losses = 0
    },
    cut,
    close: async () => {
      if (made !== undefined && !isLost) await made.end({ timeout: 2 }).catch(() => {})
      cut()
    }
  }
}
