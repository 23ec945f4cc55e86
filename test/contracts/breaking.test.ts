import { assert, describe, it } from "@effect/vitest"
import { breaking, incomparable } from "../../ops/contracts/breaking.ts"
import { type Contract, generate } from "../../ops/contracts/Contract.ts"

const TYPE = "billing.payment.refunded.v1"
const OUTCOME = "oncegate.webhook.failed.v1"
const HEADERS = "oncegate.headers.v1"
const released = generate("0.1.0")

// biome-ignore lint/suspicious/noExplicitAny: a schema to take apart
type Loose = any

const copyOf = (value: unknown): Loose => JSON.parse(JSON.stringify(value))

/** The released contract with something changed in one of its schemas. */
const changed = (name: string, change: (schema: Loose) => void): Contract => {
  const schema = copyOf(released.schemas.get(name))
  change(schema)
  return { ...released, schemas: new Map([...released.schemas, [name, schema]]) }
}
const channel = (id: string, change: (channel: Loose) => void): Contract => {
  const asyncapi = copyOf(released.asyncapi)
  change(asyncapi.channels[id])
  return { ...released, asyncapi }
}
const without = (name: string): Contract => ({
  ...released,
  schemas: new Map([...released.schemas].filter(([other]) => other !== name))
})
const drop = (schema: Loose, field: string) => {
  schema.required = schema.required.filter((name: string) => name !== field)
}

describe("a change that breaks readers of a released version is refused", () => {
  const cases: ReadonlyArray<readonly [what: string, now: Contract, said: ReadonlyArray<string | RegExp>]> = [
    ["a type removed", without(TYPE), [`${TYPE} was removed`]],
    [
      "a field removed",
      changed(TYPE, (schema) => {
        delete schema.properties.amount.anyOf[0].properties.currency
      }),
      [`${TYPE}.amount.currency was removed`]
    ],
    [
      "a field retyped",
      changed(TYPE, ({ properties }) => {
        properties.amount.anyOf[0].properties.value.type = "number"
      }),
      [`${TYPE}.amount.value was retyped: "string" to "number"`]
    ],
    [
      "a field made optional",
      changed(TYPE, (schema) => drop(schema, "object_id")),
      [/object_id was made opt/]
    ],
    [
      "a field made required",
      changed(HEADERS, ({ required }) => required.push("traceparent")),
      [/traceparent was made required/]
    ],
    [
      "a new field that is required",
      changed(TYPE, ({ properties, required }) => {
        properties.fee = { type: "string" }
        required.push("fee")
      }),
      [/fee is new and required: a new field must be optional/]
    ],
    [
      "null no longer allowed",
      changed(TYPE, ({ properties }) => {
        properties.amount = properties.amount.anyOf[0]
      }),
      [/amount may not be null any more/]
    ],
    [
      "null allowed",
      changed(TYPE, ({ properties }) => {
        properties.object_id = { anyOf: [properties.object_id, { type: "null" }] }
      }),
      [/object_id may be null now/]
    ],
    [
      "words lost",
      changed(TYPE, ({ properties }) => properties.environment.enum.pop()),
      [/environment lost the words simulated/]
    ],
    [
      "words gained",
      changed(OUTCOME, ({ properties }) => properties.state.enum.push("asleep")),
      [/state gained the words asleep/]
    ],
    [
      "words closed",
      changed(TYPE, ({ properties }) => {
        properties.confirmed_by.enum = ["signature"]
      }),
      [/confirmed_by was narrowed to a list of words/]
    ],
    [
      "words opened",
      changed(TYPE, ({ properties }) => {
        delete properties.environment.enum
      }),
      [/environment was widened: it is no closed list/]
    ],
    [
      "a text made shorter",
      changed(TYPE, ({ properties }) => {
        properties.provider.maxLength = 16
      }),
      [/provider: `maxLength` is 16 and was 32: narrowed/]
    ],
    [
      "a text made longer",
      changed(TYPE, ({ properties }) => {
        properties.provider.maxLength = 64
      }),
      [/provider: `maxLength` is 64 and was 32: widened/]
    ],
    [
      "a bound taken away",
      changed(OUTCOME, ({ properties }) => {
        delete properties.facts.maxItems
      }),
      [/facts: `maxItems` is none and was 256: widened/]
    ],
    [
      "a lower bound raised",
      changed(OUTCOME, ({ properties }) => {
        properties.facts_count.minimum = 1
      }),
      [/facts_count: `minimum` is 1 and was 0: narrowed/]
    ],
    [
      "another form",
      changed(TYPE, ({ properties }) => {
        properties.occurred_at.anyOf[0].pattern = "^[0-9]+$"
      }),
      [/occurred_at: `pattern` is .* and was/]
    ],
    [
      "another kind of item",
      changed(OUTCOME, ({ properties }) => {
        properties.facts.items = { type: "integer" }
      }),
      [/facts\[\] was retyped: "string" to "integer"/, /facts\[\]: `pattern`/]
    ],
    [
      "another id",
      changed(TYPE, (schema) => {
        schema.$id = "urn:else"
      }),
      [/`\$id` is "urn:else"/]
    ],
    [
      "a topic renamed",
      channel("billingEvents", (topic) => {
        topic.address = "{prefix}facts"
      }),
      [/billing\.events\.v1 was renamed to \{prefix\}facts/]
    ],
    [
      "another number of partitions",
      channel("billingEvents", ({ bindings }) => {
        bindings.kafka.partitions = 24
      }),
      [/has 24 partitions and had 12: keys move/]
    ],
    [
      "a shorter retention",
      channel("billingEvents", ({ bindings }) => {
        bindings.kafka.topicConfiguration["retention.ms"] = 1000
      }),
      [/keeps its records for a shorter time/]
    ],
    [
      "compaction",
      channel("billingEvents", ({ bindings }) => {
        bindings.kafka.topicConfiguration["cleanup.policy"] = ["compact"]
      }),
      [/has another cleanup\.policy/]
    ],
    [
      "a type moved from its topic",
      channel("billingEvents", ({ messages }) => delete messages[TYPE]),
      [/refunded\.v1 was removed from the topic/]
    ]
  ]

  for (const [what, now, said] of cases)
    it(what, () => {
      const found = breaking(released, now)
      assert.strictEqual(found.length, said.length, found.join("\n"))
      for (const [n, expected] of said.entries())
        if (typeof expected === "string") assert.strictEqual(found[n], expected)
        else assert.match(found[n]!, expected)
    })

  it("another key", () => {
    const asyncapi = copyOf(released.asyncapi)
    asyncapi.components.messages[TYPE].bindings.kafka.key.type = "integer"
    assert.deepStrictEqual(breaking(released, { ...released, asyncapi }), [
      `the key of ${TYPE} was retyped: "string" to "integer"`
    ])
  })
})

describe("what breaks nobody is allowed", () => {
  const allowed: ReadonlyArray<readonly [string, Contract]> = [
    ["nothing changed", released],
    [
      "a new optional field",
      changed(TYPE, ({ properties }) => {
        properties.fee = { type: "string" }
      })
    ],
    [
      "other texts",
      changed(TYPE, (schema) => {
        schema.description = "Said better."
        schema.properties.amount.examples = []
      })
    ],
    ["other order", changed(TYPE, ({ properties }) => properties.environment.enum.reverse())],
    ["a new type", { ...released, schemas: new Map([...released.schemas, ["billing.new.v1", {}]]) }],
    [
      "a longer retention",
      channel("webhookOutcomes", ({ bindings }) => {
        bindings.kafka.topicConfiguration["retention.ms"] = -1
      })
    ]
  ]
  for (const [what, now] of allowed) it(what, () => assert.deepStrictEqual(breaking(released, now), []))
})

describe("what the comparison does not understand is refused", () => {
  it("and nothing of today's contract is", () => assert.deepStrictEqual(incomparable(released), []))

  const strange: ReadonlyArray<readonly [string, Loose]> = [
    ["oneOf", { oneOf: [{ type: "string" }] }],
    ["anyOf", { anyOf: [{ type: "string" }, { type: "integer" }] }],
    ["anyOf", { anyOf: [{ type: "string" }, { type: "null" }, { type: "integer" }] }],
    ["$ref", { $ref: "#/$defs/Money" }],
    ["additionalProperties", { type: "object", additionalProperties: false }],
    ["type", { type: ["string", "null"] }],
    ["if", { if: {} }]
  ]
  for (const [word, schema] of strange)
    for (const [place, field] of [
      ["odd", schema],
      ["odd[]", { type: "array", items: schema }],
      ["odd", { anyOf: [schema, { type: "null" }] }]
    ] as const)
      it(`${JSON.stringify(field)}`, () => {
        const now = changed(TYPE, ({ properties }) => {
          properties.odd = field
        })
        assert.deepStrictEqual(incomparable(now), [
          `${TYPE}.${place} uses \`${word}\` in a way that the comparison does not understand: say it otherwise, or teach ops/contracts/breaking.ts what a change of it breaks`
        ])
      })
})
