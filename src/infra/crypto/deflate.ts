import { constants, createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync } from "node:zlib"

/** JSON repeats itself within a few kilobytes; a greater window, and greater tables, cost time to set up. */
const SETTINGS = { level: 3, windowBits: 12, memLevel: 5 }
/** More than any body that was ever taken in. */
const INFLATED = { maxOutputLength: 64 * 1_048_576 }
/** Room for what comes of a usual body; greater ones go the ordinary way. */
const ROOM = 65_536

type Way = (bytes: Uint8Array) => Buffer

/** Room for the result, a piece at a time: zlib takes all of a piece from the system, whatever comes of it. */
const pieceOf = (body: Uint8Array) => Math.min(Math.max(1_024, body.length >> 1), ROOM)
const deflateOnce: Way = (body) => deflateRawSync(body, { ...SETTINGS, chunkSize: pieceOf(body) })
const inflateOnce: Way = (bytes) => inflateRawSync(bytes, INFLATED)

/** What stands behind Node's streams of zlib since version 8, undocumented. */
interface Stream {
  readonly on: (event: "error", listener: () => void) => void
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
const reusing = (stream: Stream, once: Way): Way => {
  const output = Buffer.allocUnsafeSlow(ROOM)
  // Bytes that mean nothing end the engine; from then on each goes the ordinary way, which says what is wrong with them.
  stream.on("error", () => {})
  return (bytes) => {
    const { _handle: engine, _writeState: left } = stream
    if (engine === null || bytes.length > ROOM) return once(bytes)
    engine.reset()
    // An engine that fails writes nothing here: it would be what it said of the bytes before.
    left[0] = 0
    engine.writeSync(constants.Z_FINISH, bytes, 0, bytes.length, output, 0, ROOM)
    // Nothing left to read and room left to write: this was the end.
    return left[0]! > 0 && left[1] === 0 ? output.subarray(0, ROOM - left[0]!) : once(bytes)
  }
}

const SAMPLE = Buffer.from("deflated ".repeat(99))
const isRight = (one: Way, once: Way, sample: Buffer) => {
  try {
    // Twice: the second must know nothing of the first.
    return [0, 1].every(() => one(sample).equals(once(sample)))
  } catch {
    return false
  }
}

/**
 * One engine, where it does what the documented call does.
 *
 * `deflateRawSync` and `inflateRawSync` make an engine and a stream for each call, which V8's short collections do not take
 * away (ADR 49): with one engine it takes half the time.
 */
const way = (stream: unknown, once: Way, sample: Buffer): Way => {
  const reused = reusing(stream as Stream, once)
  return isRight(reused, once, sample) ? reused : once
}

/** Deflates without a header. What is returned holds until the next call. */
export const deflate = way(createDeflateRaw(SETTINGS), deflateOnce, SAMPLE)

/** Inflates what `deflate` made, which a seal has proven. What is returned holds until the next call. */
export const inflate = way(createInflateRaw(), inflateOnce, deflateOnce(SAMPLE))
