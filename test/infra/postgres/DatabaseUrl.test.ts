import { assert, describe, it } from "@effect/vitest"
import { readDatabaseUrl } from "../../../src/infra/postgres/DatabaseUrl.ts"

const urlOf = (text: string) => {
  const read = readDatabaseUrl(text)
  return "url" in read ? read.url : read.expected
}

describe("a database's URL", () => {
  it("keeps every host of a list, with and without a user", () => {
    for (const text of [
      "postgres://u:p@a:5432,b:5433/db?search_path=x",
      "postgres://a:5432,b:5433/db",
      "postgres://u:p@a/db",
      "postgres://a/db"
    ])
      assert.strictEqual(urlOf(text), text)
  })

  it("takes what stands for TLS out of it, also of a list", () => {
    assert.deepStrictEqual(readDatabaseUrl("postgres://a:5432,b:5433/db?sslmode=require"), {
      url: "postgres://a:5432,b:5433/db",
      tls: { rejectUnauthorized: false }
    })
  })

  it("says what it must be, never what it was", () => {
    for (const text of ["", "mysql://secret@a/b", "postgres://secret:x@a:b:c/db", "nonsense secret"])
      assert.notInclude(urlOf(text), "secret")
    // A percent sign that stands for itself: the driver would throw.
    assert.deepStrictEqual(readDatabaseUrl("postgres://u:100%zz@a/db"), {
      expected: "postgres://user:password@host:port/database"
    })
  })
})
