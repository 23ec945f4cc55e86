import { mkdirSync, rmSync } from "node:fs"
import { connect } from "node:net"
import path from "node:path"
import { Effect } from "effect"
import { freePort } from "../../src/infra/embedded/FreePort.ts"
import * as Base from "../Base.ts"
import { Absent, type Contestant, type OwnVerdict, type Running } from "../Contestant.ts"
import type { Ground } from "../Ground.ts"
import * as Ledger from "../Ledger.ts"
import { answersAt, end, launch, type Service, signal, until } from "../Process.ts"

/** What a peer consists of, in the order in which it is started. */
export interface PeerProcess {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly cwd?: string
  readonly env: Readonly<Record<string, string>>
  /** Whether it takes work. */
  readonly isReady: () => Promise<true | undefined>
  /** What to do once it does, as registering a service with it. */
  readonly registered?: () => Promise<void>
}

export interface PeerContext {
  readonly ground: Ground
  /** Installed here, kept between runs. */
  readonly home: string
  /** Of this round alone. */
  readonly scratch: string
  readonly databaseUrl: string
  readonly sql: Base.Base["sql"]
  readonly topic: string
  /** `port(0)` takes the deliveries. */
  readonly port: (at: number) => number
}

export interface Peer {
  readonly name: string
  /** Ports that it needs. */
  readonly ports: number
  /** Brings what is missing into `home`; fails with a plain word. */
  readonly install: (home: string) => Promise<void>
  readonly processes: (context: PeerContext) => Promise<ReadonlyArray<PeerProcess>>
  readonly speak: (context: PeerContext) => Omit<Running["speak"], "urls">
  readonly examine?: (context: PeerContext) => Promise<OwnVerdict>
}

const READY_MS = 60_000

/** Ready when it answers a GET. */
export const answers = (url: string) => () => answersAt(url)

/** Ready when its port can be connected to. */
export const listens = (port: number) => () =>
  new Promise<true | undefined>((resolve) => {
    const socket = connect({ host: "127.0.0.1", port })
    const say = (answer: true | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on("connect", () => say(true))
    socket.on("error", () => say(undefined))
  })

/** A service that somebody would use instead: its records have the event's id as key. */
export const httpPeer = (peer: Peer): Contestant => ({
  name: peer.name,
  start: Effect.fnUntraced(function* (ground, prefix) {
    const home = path.join(ground.folder, "peers", peer.name)
    yield* Effect.tryPromise({
      try: async () => {
        mkdirSync(home, { recursive: true })
        await peer.install(home)
      },
      catch: (error) => new Absent({ message: `${peer.name}: ${(error as Error).message.slice(-400)}` })
    })
    const base = yield* Base.fresh(ground)
    const topic = `${prefix}${peer.name}`
    yield* Effect.promise(() => Ledger.createTopic(ground, topic))
    const ports = yield* Effect.forEach(Array.from({ length: peer.ports }), () => freePort())
    const scratch = path.join(ground.folder, "scratch", prefix)
    yield* Effect.acquireRelease(
      Effect.sync(() => mkdirSync(scratch, { recursive: true })),
      () => Effect.sync(() => rmSync(scratch, { recursive: true, force: true }))
    )
    const context: PeerContext = {
      ground,
      home,
      scratch,
      databaseUrl: base.url,
      sql: base.sql,
      topic,
      port: (at) => ports[at]!
    }
    const processes = yield* Effect.tryPromise({
      try: () => peer.processes(context),
      catch: (error) => new Absent({ message: `${peer.name}: ${(error as Error).message.slice(-400)}` })
    })
    const services: Array<Service> = []
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => void (await Promise.all(services.map((service) => end(service, 5_000)))))
    )
    const up = async () => {
      for (const [at, { args, command, cwd, env, isReady, registered }] of processes.entries()) {
        const service = launch(command, args, {
          env,
          log: path.join(ground.folder, "logs", `${peer.name}-${at}.log`),
          ...(cwd === undefined ? {} : { cwd })
        })
        services.push(service)
        await until(service, READY_MS, isReady)
        await registered?.()
      }
    }
    const began = performance.now()
    yield* Effect.tryPromise({
      try: up,
      catch: (error) => new Absent({ message: `${peer.name}: ${(error as Error).message.slice(-600)}` })
    })
    const readyMs = performance.now() - began
    return {
      base,
      speak: { urls: [`http://127.0.0.1:${ports[0]}`], ...peer.speak(context) },
      pids: () => services.map(({ pid }) => pid),
      readyMs,
      topic,
      idOf: (key) => key,
      nameOf: ({ id }) => id,
      strike: async () => {
        const struck = services.splice(0)
        for (const service of struck) signal(service, "SIGKILL")
        await Promise.all(struck.map(({ ended }) => ended))
        await new Promise((resolve) => setTimeout(resolve, 200))
        await up()
      },
      ...(peer.examine === undefined ? {} : { examine: () => peer.examine!(context) })
    }
  })
})
