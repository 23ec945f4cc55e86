/** Every form in which a secret may stand in a text: as it is, and as it was encoded on its way. */
export const forms = (secret: string): ReadonlyArray<{ readonly form: string; readonly text: string }> => {
  const bytes = Buffer.from(secret)
  /** What base64 makes of the bytes wherever they begin in what is encoded: the first and last letters depend on others. */
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replaceAll("=", "")
    return text.slice(offset === 0 ? 0 : offset + 1, -2)
  })
  return [
    { form: "raw", text: secret },
    { form: "beginning", text: secret.slice(0, 8) },
    { form: "end", text: secret.slice(-8) },
    { form: "upper case", text: secret.toUpperCase() },
    { form: "lower case", text: secret.toLowerCase() },
    { form: "hex", text: bytes.toString("hex") },
    { form: "HEX", text: bytes.toString("hex").toUpperCase() },
    { form: "URL", text: encodeURIComponent(secret) },
    { form: "JSON", text: JSON.stringify(secret).slice(1, -1) },
    ...base64.flatMap((text) => [
      { form: "base64", text },
      { form: "base64url", text: text.replaceAll("+", "-").replaceAll("/", "_") }
    ])
  ]
}

/** Which secrets stand where, in which form. */
export const scan = (
  places: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>
): ReadonlyArray<string> =>
  Object.entries(secrets).flatMap(([name, secret]) =>
    forms(secret).flatMap(({ form, text }) =>
      Object.entries(places)
        .filter(([, content]) => content.includes(text))
        .map(([place]) => `${name} (${form}) in ${place}`)
    )
  )
