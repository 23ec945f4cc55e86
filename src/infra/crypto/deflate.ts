import { constants, createDeflateRaw, deflateRawSync } from "node:zlib"

/** JSON repeats itself within a few kilobytes; a greater window, and greater tables, cost time to set up. */
const SETTINGS = { level: 3, windowBits: 12, memLevel: 5 }
/** Room for what comes of a usual body; greater ones go the ordinary way. */
const ROOM = 65_536

/** Room for the result, a piece at a time: zlib takes all of a piece from the system, whatever comes of it. */
const pieceOf = (body: Uint8Array) => Math.min(Math.max(1_024, body.length >> 1), ROOM)
const ordinary = (body: Uint8Array) => deflateRawSync(body, { ...SETTINGS, chunkSize: pieceOf(body) })

/** What stands behind Node's streams of zlib since version 8, undocumented. */
interface Stream {
  readonly _handle: {
    readonly reset: () => void
    readonly writeSync: (
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputLength: number,
      output: Uint8Array,
      outputAt: number,
      outputLength: number
    ) => void
  } | null
  /** After a write: room left in the output, bytes of the input not yet read. */
  readonly _writeState: Uint32Array
}

/** One engine for all bodies; fails where this runtime has none of this shape. */
const reusing = () => {
  const stream = createDeflateRaw(SETTINGS) as unknown as Stream
  const output = Buffer.allocUnsafeSlow(ROOM)
  return (body: Uint8Array): Buffer => {
    const { _handle: engine, _writeState: left } = stream
    if (engine === null || body.length > ROOM) return ordinary(body)
    engine.reset()
    engine.writeSync(constants.Z_FINISH, body, 0, body.length, output, 0, ROOM)
    // Nothing left to read and room left to write: this was the end.
    return left[0]! > 0 && left[1] === 0 ? output.subarray(0, ROOM - left[0]!) : ordinary(body)
  }
}

const SAMPLE = Buffer.from("deflated ".repeat(99))
const isRight = (one: (body: Uint8Array) => Buffer) => {
  try {
    // Twice: the second must know nothing of the first.
    return [0, 1].every(() => one(SAMPLE).equals(ordinary(SAMPLE)))
  } catch {
    return false
  }
}

const reused = reusing()
/**
 * Deflates without a header. What is returned holds until the next call.
 *
 * `deflateRawSync` makes an engine and a stream for each call, which V8's short collections do not take away (ADR 49): with
 * one engine it takes half the time. Where the runtime's engine is not what we know, it is `deflateRawSync`.
 */
export const deflate = isRight(reused) ? reused : ordinary
