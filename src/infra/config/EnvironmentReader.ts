import { readFileSync } from "node:fs"
import { Schema } from "effect"

/** Every problem of the configuration at once: each names its variable and what was expected, never its value. */
export class ConfigurationRefused extends Schema.TaggedError<ConfigurationRefused>()("ConfigurationRefused", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `configuration refused:\n${this.problems.map((problem) => `  - ${problem}`).join("\n")}`
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Reads variables, and files that stand in for them, and collects what is wrong with them. */
export class EnvironmentReader {
  readonly problems: Array<string> = []
  readonly #environment: Environment
  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** The variable, or what stands in the file that `NAME_FILE` names. Empty is absent. */
  text(name: string): string | undefined {
    const direct = this.#environment[name]
    const file = this.#environment[`${name}_FILE`]
    if (file === undefined || file === "") return direct === "" ? undefined : direct
    if (direct !== undefined && direct !== "") {
      this.problems.push(`${name} and ${name}_FILE are both set: keep one`)
      return direct
    }
    try {
      return readFileSync(file, "utf8").replace(/\r?\n$/, "")
    } catch {
      this.problems.push(`${name}_FILE names a file that cannot be read`)
      return undefined
    }
  }
  parsed<A>(name: string, expected: string, fallback: A, parse: (text: string) => A | undefined): A {
    const text = this.text(name)
    if (text === undefined) return fallback
    const value = parse(text)
    if (value !== undefined) return value
    this.problems.push(`${name} must be ${expected}`)
    return fallback
  }
  required<A>(name: string, expected: string, parse: (text: string) => A | undefined): A | undefined {
    if (this.text(name) !== undefined) return this.parsed<A | undefined>(name, expected, undefined, parse)
    if (!this.problems.some((problem) => problem.startsWith(`${name}_FILE `)))
      this.problems.push(`${name} is required: ${expected}`)
    return undefined
  }
  whole(name: string, fallback: number, least: number, most: number) {
    return this.parsed(name, `a whole number from ${least} to ${most}`, fallback, (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      return value >= least && value <= most ? value : undefined
    })
  }
  choice<const A extends string>(name: string, choices: ReadonlyArray<A>, fallback: A) {
    return this.parsed(name, choices.join(" or "), fallback, (text) =>
      choices.find((choice) => choice === text)
    )
  }
  origin(name: string) {
    return this.parsed<string | null>(
      name,
      "an origin such as http://127.0.0.1:9000, without a path",
      null,
      (text) => {
        const url = URL.canParse(text) ? new URL(text) : undefined
        return url !== undefined && url.origin === text.replace(/\/$/, "") ? url.origin : undefined
      }
    )
  }
}
