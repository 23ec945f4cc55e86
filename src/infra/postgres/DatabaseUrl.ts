import { readFileSync } from "node:fs"
import { authorityOf } from "../tls/Authority.ts"

/** How the connection is protected; false: not at all. */
export type DatabaseTls =
  | false
  | { readonly rejectUnauthorized: false }
  | { readonly rejectUnauthorized: true; readonly ca?: string }

export interface DatabaseUrl {
  /** For the driver: without what stands for TLS, which it would read in its own way. */
  readonly url: string
  readonly tls: DatabaseTls
}

const MODES = ["disable", "require", "verify-full"] as const

/** A list of hosts (`a:5432,b:5432`) is no URL: it is read with its first one. */
const firstHost = (text: string) => {
  const [, before, hosts, after] = /^(\w+:\/\/(?:[^@/?]*@)?)([^/?@]*,[^/?@]*)(.*)$/.exec(text) ?? []
  return hosts === undefined
    ? { hosts, one: text }
    : { hosts, one: `${before}${hosts.split(",", 1)[0]}${after}` }
}

/** The driver decodes name and password, and throws where a percent sign stands for itself. */
const isDecodable = (text: string) => {
  try {
    return decodeURIComponent(text) !== ""
  } catch {
    return false
  }
}

/**
 * Reads a `DATABASE_URL`. Of libpq's parameters for TLS it knows `sslmode` (`disable`, the default; `require`: encrypted,
 * to whomever; `verify-full`: to the host that is named, by its certificate) and `sslrootcert`, a PEM file of the
 * authorities to trust instead of the runtime's own. Fails with what was expected, never with the URL.
 */
export const readDatabaseUrl = (text: string): DatabaseUrl | { readonly expected: string } => {
  const { hosts, one } = firstHost(text)
  const url = URL.canParse(one) ? new URL(one) : undefined
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || !isDecodable(url.href))
    return { expected: "postgres://user:password@host:port/database" }
  const forDriver = () =>
    hosts === undefined ? url.href : url.href.replace(/^(\w+:\/\/(?:[^@/?]*@)?)[^/?]*/, `$1${hosts}`)
  const given = url.searchParams.get("sslmode") ?? "disable"
  const file = url.searchParams.get("sslrootcert")
  const mode = MODES.find((known) => known === given)
  url.searchParams.delete("sslmode")
  url.searchParams.delete("sslrootcert")
  if (mode === undefined) return { expected: `a URL whose sslmode is ${MODES.join(", ")}` }
  if (file !== null && mode !== "verify-full")
    return { expected: "a URL that has sslrootcert together with sslmode=verify-full only" }
  if (mode === "disable") return { url: forDriver(), tls: false }
  if (mode === "require") return { url: forDriver(), tls: { rejectUnauthorized: false } }
  const verified = { rejectUnauthorized: true } as const
  if (file === null) return { url: forDriver(), tls: verified }
  let ca: string | undefined
  try {
    ca = authorityOf(readFileSync(file, "utf8"))
  } catch {
    // said below
  }
  return ca === undefined
    ? { expected: "a URL whose sslrootcert is a file of PEM certificates that can be read" }
    : { url: forDriver(), tls: { ...verified, ca } }
}
