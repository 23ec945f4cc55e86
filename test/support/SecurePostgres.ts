import { chownSync, statSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect, Redacted } from "effect"
import postgres from "postgres"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"
import type { TestCertificate } from "./TestCa.ts"

/** A Postgres that takes TLS and nothing else; the URL names its host, and says nothing of TLS. */
export const start = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly certificate: TestCertificate
  readonly host?: string
}) {
  const { url } = yield* EmbeddedPostgres.start({ folder: options.folder })
  const data = path.join(options.folder, "data")
  const { gid, uid } = statSync(data)
  const { pem, privateKey } = options.certificate
  const write = (name: string, text: string) => {
    const file = path.join(data, name)
    writeFileSync(file, text, { mode: 0o600 })
    if (process.getuid?.() === 0) chownSync(file, uid, gid)
  }
  write("server.crt", pem)
  write("server.key", String(privateKey.export({ type: "pkcs8", format: "pem" })))
  yield* Effect.promise(async () => {
    const sql = postgres(Redacted.value(url), { max: 1 })
    await sql.unsafe("ALTER SYSTEM SET ssl = on")
    write("pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n")
    await sql.unsafe("SELECT pg_reload_conf()")
    await sql.end({ timeout: 2 })
  })
  const secure = new URL(Redacted.value(url))
  secure.hostname = options.host ?? "localhost"
  return { url: secure.href }
})
