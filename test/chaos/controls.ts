/**
 * The mistakes that the chaos run must catch, each a change to the relay's source that only a test process makes, as it
 * loads it. A control whose text is no longer found fails: it would test nothing.
 */
export interface Control {
  /** Relative to src. */
  readonly file: string
  readonly changes: ReadonlyArray<readonly [from: string, to: string]>
}

export const controls = {
  /** What Kafka says before the predecessor is fenced may be overtaken by its last transaction. */
  "checkpoint-before-fencing": {
    file: "infra/kafka/settle.ts",
    changes: [
      [
        "const { acknowledged, kafka, admin, names, clusterId, unendedMs } = options",
        "const { acknowledged, kafka, admin, names, clusterId, unendedMs } = options\n  let early"
      ],
      [
        "judged(peek(admin, names))",
        "judged(Effect.tap(peek(admin, names), (found) => Effect.sync(() => (early = found))))"
      ],
      ["yield* judged(producer.checkpoint)", "yield* judged(Effect.succeed(early))"]
    ]
  },
  /** After an error kafkajs gives sequence numbers a second time that the broker has used. */
  "producer-used-on": {
    file: "infra/kafka/Producer.ts",
    changes: [
      [
        "      const transaction = await producer.transaction()",
        `      for (let tries = 0; tries < 20; tries++) {
      const transaction = await producer.transaction()
      try {`
      ],
      [
        "      await transaction.commit()",
        `      await transaction.commit()
      return
      } catch (thrown) {
        if (!transaction.isActive()) throw thrown
        await new Promise((resolve) => setTimeout(resolve, 300))
        await transaction.abort()
      }
      }
      throw new Error("given up")`
      ]
    ]
  },
  /** Positions are taken before they are committed: a later one can be visible first. */
  "cursor-on-sequence": {
    file: "infra/postgres/LogReader.ts",
    changes: [
      [
        "export const next = Effect.fnUntraced(function* (connection: Connection, at: Reading, limit: number) {",
        `export const next = Effect.fnUntraced(function* (connection: Connection, at: Reading, limit: number) {
  {
    const rows = yield* Effect.map(
      connection.query<SqlRow>(
        "relay.cursor",
        \`SELECT \${COLUMNS} FROM webhook_event_log l WHERE l.position > $1::bigint AND \${WANTED} ORDER BY l.position LIMIT $2::int\`,
        [at.position, limit]
      ),
      toRows
    )
    const position = rows.at(-1)?.position ?? at.position
    const done = { from: at.from, to: at.to, position }
    return { rows, done, next: { ...at, position, head: position }, more: rows.length > 0 } satisfies Page
  }
`
      ]
    ]
  }
} satisfies Readonly<Record<string, Control>>

export type ControlName = keyof typeof controls
export const controlNames = Object.keys(controls) as ReadonlyArray<ControlName>
