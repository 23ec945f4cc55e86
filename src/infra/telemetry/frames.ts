/** Where an error happened: its stack without the first lines, which repeat its message, and a message can quote a body. */
export const frames = (error: unknown): ReadonlyArray<string> =>
  error instanceof Error ? (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)) : []
