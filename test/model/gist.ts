/** A change of state without its times: what the machine and the log must agree on. */
export const gist = (type: string, data: Readonly<Record<string, unknown>>): string =>
  [
    type,
    ...["fence", "attempts", "failures", "because", "code"]
      .filter((field) => data[field] !== undefined)
      .map((field) => `${field} ${data[field]}`),
    ...(Array.isArray(data.effects) ? [`effects [${[...data.effects].sort().join(", ")}]`] : [])
  ].join(", ")
