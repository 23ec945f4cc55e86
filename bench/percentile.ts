/** Of sorted values, the one that this part of them does not exceed; 0 where there are none. */
export const percentile = (sorted: ReadonlyArray<number>, part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
