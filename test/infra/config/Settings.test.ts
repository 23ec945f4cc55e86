import { assert, describe, it } from "@effect/vitest"
import { ConfigurationRefused, type Environment } from "../../../src/infra/config/EnvironmentReader.ts"
import { read } from "../../../src/infra/config/Settings.ts"

const key = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const random = Uint8Array.from({ length: 32 }, (_, index) => index * 7)

/** What a production gate needs at least. */
const production: Environment = {
  DATABASE_URL: "postgres://gate:SENTINEL@db.example:5432/gate",
  MASTER_KEYS: `m1:${key(random)}`,
  ADMIN_TOKEN: "SENTINEL-0123456789-0123456789-0123",
  KAFKA_BROKERS: "kafka.example:9092",
  PAYPAL_WEBHOOK_ID: "4JH86294D6297924G",
  TOSS_SECRET_KEY: "SENTINEL-live-secret",
  TOSS_SECURITY_KEYS: "0123456789abcdef".repeat(4)
}
const options = { relay: true, terminal: false, defaultHost: "0.0.0.0" }

const problems = (changes: Environment) => {
  try {
    read({ ...production, ...changes }, options)
    return []
  } catch (error) {
    assert.instanceOf(error, ConfigurationRefused)
    return error.problems
  }
}

describe("what a production gate refuses to start with", () => {
  const sasl = { KAFKA_SASL_USERNAME: "gate", KAFKA_SASL_PASSWORD: "SENTINEL-password" }
  const wrong: ReadonlyArray<readonly [name: string, changes: Environment, variable: string]> = [
    ["no admin token", { ADMIN_TOKEN: "" }, "ADMIN_TOKEN"],
    ["a short admin token", { ADMIN_TOKEN: "SENTINEL-short" }, "ADMIN_TOKEN"],
    ["an admin token with a line's end", { ADMIN_TOKEN: `${production.ADMIN_TOKEN}\n` }, "ADMIN_TOKEN"],
    ["an admin token of blanks", { ADMIN_TOKEN: " ".repeat(40) }, "ADMIN_TOKEN"],
    ["no master key", { MASTER_KEYS: undefined }, "MASTER_KEYS"],
    ["a short master key", { MASTER_KEYS: `m1:${key(random.subarray(1))}` }, "MASTER_KEYS"],
    ["a master key of zeros", { MASTER_KEYS: `m1:${key(new Uint8Array(32))}` }, "MASTER_KEYS"],
    ["two master keys of one name", { MASTER_KEYS: `m1:${key(random)},m1:${key(random)}` }, "MASTER_KEYS"],
    ["a short secret of Toss", { TOSS_SECRET_KEY: "SENTINEL" }, "TOSS_SECRET_KEY"],
    ["a short security key", { TOSS_SECURITY_KEYS: "0123456789abcdef" }, "TOSS_SECURITY_KEYS"],
    [
      "an empty security key among others",
      { TOSS_SECURITY_KEYS: `${"ab".repeat(32)},` },
      "TOSS_SECURITY_KEYS"
    ],
    ["confirmation without credentials", { PAYPAL_CONFIRM: "money" }, "PAYPAL_CONFIRM"],
    ["a password in clear", { ...sasl, KAFKA_SASL_MECHANISM: "plain" }, "KAFKA_SASL_MECHANISM"],
    ["a broker's port that is none", { KAFKA_BROKERS: "kafka.example:99999" }, "KAFKA_BROKERS"],
    ["no brokers for a relay", { KAFKA_BROKERS: undefined }, "KAFKA_BROKERS"],
    ["no provider", { PAYPAL_WEBHOOK_ID: undefined, TOSS_SECRET_KEY: undefined }, "no endpoint"],
    ["a memory shorter than redelivery", { KEY_RETENTION_DAYS: "33" }, "KEY_RETENTION_DAYS"],
    ["a misspelt choice", { FAILURE_ANSWER: "201" }, "FAILURE_ANSWER"],
    ["a number with a unit", { LEASE_MS: "30s" }, "LEASE_MS"],
    // Each of these lets somebody else than the provider say what is genuine.
    [
      "certificates from elsewhere",
      { PAYPAL_CERT_ORIGIN: "https://sentinel.example" },
      "PAYPAL_CERT_ORIGIN is for tests only"
    ],
    ["another authority", { PAYPAL_CA_FILE: "/SENTINEL.pem" }, "PAYPAL_CA_FILE is for tests only"],
    [
      "another API of PayPal",
      { PAYPAL_API_ORIGIN: "https://sentinel.example" },
      "PAYPAL_API_ORIGIN is for tests only"
    ],
    [
      "another API of Toss",
      { TOSS_API_ORIGIN: "https://sentinel.example" },
      "TOSS_API_ORIGIN is for tests only"
    ],
    ["the id of PayPal's own simulator", { PAYPAL_WEBHOOK_ID: "WEBHOOK_ID" }, "is for tests only"]
  ]
  for (const [name, changes, variable] of wrong)
    it(name, () => {
      const found = problems(changes)
      assert.strictEqual(found.length, 1)
      assert.include(found[0], variable)
      assert.notMatch(found[0]!, /sentinel/i)
    })
})

it("a production gate starts with what is right, and the switches of tests with a word that allows them", () => {
  assert.deepStrictEqual(problems({}), [])
  const ofTests = {
    PAYPAL_CERT_ORIGIN: "http://127.0.0.1:9000",
    PAYPAL_CA_FILE: "ca.pem",
    PAYPAL_API_ORIGIN: "http://127.0.0.1:9000",
    TOSS_API_ORIGIN: "http://127.0.0.1:9000",
    PAYPAL_WEBHOOK_ID: "WEBHOOK_ID"
  }
  assert.strictEqual(problems(ofTests).length, 5)
  assert.deepStrictEqual(problems({ ...ofTests, ALLOW_TEST_PROVIDERS: "yes" }), [])
})

it("nothing secret of the settings is printed", () => {
  const text = JSON.stringify(read(production, options))
  for (const secret of ["SENTINEL", key(random), production.TOSS_SECURITY_KEYS!])
    assert.notInclude(text, secret)
})
