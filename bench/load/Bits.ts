/** One bit for each delivery. */
export const make = (count: number) => {
  const bytes = Buffer.alloc(Math.ceil(count / 8))
  return {
    set: (index: number) => {
      bytes[index >> 3]! |= 1 << (index & 7)
    },
    text: () => bytes.toString("base64")
  }
}

/** Asks a bit of what `make` wrote. */
export const read = (text: string) => {
  const bytes = Buffer.from(text, "base64")
  return (index: number) => ((bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
}
