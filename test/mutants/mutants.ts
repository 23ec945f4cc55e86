// One mechanism removed in each: what is taken away, how, and the tests that must fail for it. `npm run mutants` makes them in
// a copy of the project; test/mutants/Mutants.test.ts holds that every edit still applies.

import { beyond } from "./beyond.ts"
import { GATE_STORE, INGRESS, outside } from "./outside.ts"

const MODEL = "test/model/Model.test.ts"

const CLAIM = "src/infra/postgres/claimStatement.ts"
const RECLAIM = "src/infra/postgres/reclaimStatement.ts"
const COMPLETE = "src/infra/postgres/completeStatement.ts"
const FAIL = "src/infra/postgres/failStatement.ts"
const TAKE = "src/infra/postgres/takeStatement.ts"
const SCHEMA = "migrations/0002_the_gate.sql"

export interface Mutant {
  readonly name: string
  readonly without: string
  /** `find` stands exactly once in `file`. */
  readonly edits: ReadonlyArray<{ readonly file: string; readonly find: string; readonly replace: string }>
  /**
   * Files and the exact names of tests, each of which fails alone. `stands`: what of the name stands in the file, where
   * the rest is put together.
   */
  readonly caught: ReadonlyArray<{ readonly file: string; readonly test: string; readonly stands?: string }>
}

const inside: ReadonlyArray<Mutant> = [
  {
    name: "no-fence",
    without: "a completion does not ask for the fence of its claim",
    edits: [
      {
        file: COMPLETE,
        find: "WHERE e.status || '' = 'processing' AND e.fence = v.fence AND v.n NOT IN",
        replace: "WHERE e.status || '' = 'processing' AND v.n NOT IN"
      }
    ],
    caught: [
      {
        file: GATE_STORE,
        test: "a worker that lost its claim books nothing and is told so; the survivor books"
      },
      { file: MODEL, test: "one step after the other" }
    ]
  },
  {
    name: "claim-without-log",
    without: "a claim writes its row and no event",
    edits: [
      {
        file: CLAIM,
        find: "           trace\n      FROM made WHERE made\n    UNION ALL",
        replace: "           trace\n      FROM made WHERE made AND kind <> 'claim'\n    UNION ALL"
      }
    ],
    caught: [
      { file: GATE_STORE, test: "a lost reply of a claim is resolved by its token: claimed, and once" },
      { file: MODEL, test: "one step after the other" }
    ]
  },
  {
    name: "answer-before-commit",
    without: "the request is answered 200 while its claim is still on the way",
    edits: [
      {
        file: "src/domain/claim.ts",
        find: "const answer = yield* store.claim({ delivery, identity, trace })",
        replace: `yield* Effect.forkDetach(store.claim({ delivery, identity, trace }))
  const answer = { _tag: "Duplicate", state: "processing" } as ClaimAnswer`
      }
    ],
    caught: [
      {
        file: "test/faults/Database.test.ts",
        test: "a database that refuses is answered 503 with Retry-After, without a claim, and 200 as soon as it serves again"
      }
    ]
  },
  {
    name: "no-rescuer",
    without: "nobody looks for expired leases and due failures",
    edits: [
      {
        file: "src/domain/Rescuer.ts",
        find: "for (const lane of lanes) yield* Effect.forkScoped(tend(provider, lane))",
        replace: "for (const lane of lanes) void tend(provider, lane)"
      }
    ],
    caught: [
      {
        file: "test/http/Pipeline.test.ts",
        test: "a failed attempt is ours: answered 200 retry_scheduled, and done when the API is back (defects 1 and 3)"
      }
    ]
  },
  {
    name: "no-lease",
    without: "a claim never ends by itself",
    edits: [
      {
        file: CLAIM,
        find: "CASE born WHEN 'processing' THEN clock_timestamp() + $16::bigint * interval '1 ms' END",
        replace:
          "CASE born WHEN 'processing' THEN timestamptz '9999-01-01' + $16::bigint * interval '1 ms' END"
      }
    ],
    caught: [
      {
        file: GATE_STORE,
        test: "an expired claim is taken with its body by whoever looks first, and by nobody else"
      }
    ]
  },
  {
    name: "lease-not-respected",
    without: "a live claim is taken away from its holder",
    edits: [
      {
        file: RECLAIM,
        find: "(e.status = 'processing' AND (e.lease_until IS NULL OR e.lease_until <= clock_timestamp()))",
        replace: "(e.status = 'processing')"
      }
    ],
    caught: [
      {
        file: GATE_STORE,
        test: "eight gates, a thousand deliveries each at the same moment: one claim a key, no error"
      },
      { file: MODEL, test: "one step after the other" }
    ]
  },
  {
    name: "key-from-unsigned-header",
    without: "PayPal's event is named by a header that the signature does not cover",
    edits: [
      {
        file: "src/infra/providers/PayPal.ts",
        find: 'fromParts("ev", textAt(event, "id"))',
        replace: 'fromParts("ev", delivery.headers["correlation-id"]?.[0] ?? textAt(event, "other"))'
      }
    ],
    caught: [
      {
        file: "test/infra/providers/PayPalVerification.test.ts",
        test: "a genuine delivery is verified and named by its event"
      }
    ]
  },
  {
    name: "effect-key-not-unique",
    without: "two events may book one effect",
    edits: [
      {
        file: SCHEMA,
        find: "  recorded_at TIMESTAMPTZ NOT NULL DEFAULT now(),\n  CONSTRAINT uq_billing_effects UNIQUE (provider, effect_key)\n",
        replace: "  recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()\n"
      }
    ],
    caught: [
      {
        file: GATE_STORE,
        test: "two gates that book the same facts in opposite order neither deadlock nor double"
      }
    ]
  },
  {
    name: "effects-not-hung-on-the-change",
    without: "effects and facts are written whether the fenced UPDATE found its row or not",
    edits: [
      {
        file: COMPLETE,
        find: "SELECT f.*, c.version FROM f JOIN c USING (n)",
        replace: "SELECT f.*, coalesce(c.version, 0) AS version FROM f LEFT JOIN c USING (n)"
      }
    ],
    caught: [
      {
        file: GATE_STORE,
        test: "a worker that lost its claim books nothing and is told so; the survivor books"
      },
      { file: MODEL, test: "one step after the other" }
    ]
  },
  {
    name: "one-token-a-group",
    without: "the token is the group's, and a repeated group has another one",
    edits: [
      {
        file: "src/infra/postgres/claim.ts",
        find: "    const rows = items.map((item) => claimRow(item, mayBeCopies))\n",
        replace:
          "    const token = randomUUID()\n    const rows = items.map((item) => claimRow({ ...item, token }, mayBeCopies))\n"
      }
    ],
    caught: [
      { file: GATE_STORE, test: "a lost reply of a claim is resolved by its token: claimed, and once" },
      { file: MODEL, test: "with replies that are lost" }
    ]
  },
  {
    name: "second-unique-index",
    without: "the claim table has a unique index that ON CONFLICT does not name",
    edits: [
      {
        file: SCHEMA,
        find: "-- An ORM of the earlier gate made this index without its predicate.\n",
        replace: "CREATE UNIQUE INDEX uq_second ON webhook_dedup_events (provider, request_hash);\n"
      }
    ],
    caught: [
      {
        file: "test/infra/postgres/Migrations.test.ts",
        test: "AC5, AC6: names, columns, check and indexes are those of the code's row type"
      }
    ]
  },
  {
    name: "lost-completion-taken-for-a-fence",
    without: "`done` under our own fence is not known as our own end",
    edits: [
      {
        file: COMPLETE,
        find: "WHEN e.status = 'done' AND e.fence = v.fence AND e.error_code IS DISTINCT FROM 'dismissed' THEN 'done'",
        replace: "WHEN false THEN 'done'"
      }
    ],
    caught: [
      { file: GATE_STORE, test: "a lost reply of a completion is our own success, and books once" },
      { file: MODEL, test: "with replies that are lost" }
    ]
  },
  {
    name: "outage-spends-attempts",
    without: "a failure of the world counts towards the limit",
    edits: [
      {
        file: "src/infra/postgres/PostgresGateStore.ts",
        find: 'counted: failure.kind === "event" &&',
        replace: 'counted: failure.kind !== "permanent" &&'
      }
    ],
    caught: [
      { file: MODEL, test: "one step after the other" },
      {
        file: "test/faults/Gates.test.ts",
        test: "an API that is down for long, or a secret that is wrong, parks nothing; all is done after it is mended"
      }
    ]
  },
  {
    name: "toss-last-state-only",
    without: "facts come from the state that Toss's payment is in, not from its history",
    edits: [
      {
        file: "src/infra/providers/TossFacts.ts",
        find: "if (approved && !virtual) {",
        replace: 'if (status === "DONE" && !virtual) {'
      }
    ],
    caught: [{ file: "test/infra/providers/TossFacts.test.ts", test: "a refund in full" }]
  },
  {
    name: "body-in-a-log-line",
    without: "what is received is logged",
    edits: [
      {
        file: "src/http/Ingress.ts",
        find: "payload_size: delivery.body.length",
        replace: "payload_size: String(delivery.body)"
      }
    ],
    caught: [
      { file: INGRESS, test: "T3: nothing of body or headers stands in any log record, at any nesting" }
    ]
  },
  {
    name: "fence-does-not-rise",
    without: "a claim taken anew keeps the fence of the one before",
    edits: [
      {
        file: TAKE,
        find: "fence           = e.fence + CASE WHEN spent THEN 0 ELSE 1 END",
        replace: "fence           = e.fence"
      },
      {
        file: SCHEMA,
        find: "NEW.status = 'processing' AND NEW.fence = OLD.fence + 1)",
        replace: "NEW.status = 'processing')"
      }
    ],
    caught: [{ file: MODEL, test: "one step after the other" }]
  },
  {
    name: "done-not-final",
    without: "a delivery claims a done event again, and no trigger objects",
    edits: [
      {
        file: RECLAIM,
        find: "OR (e.status = 'failed' AND e.error_code IN ('no_custody', 'custody_broken'))",
        replace:
          "OR e.status = 'done' OR (e.status = 'failed' AND e.error_code IN ('no_custody', 'custody_broken'))"
      },
      {
        file: SCHEMA,
        find: "(OLD.status IN ('processing', 'failed') AND NEW.status = 'processing' AND NEW.fence = OLD.fence + 1)",
        replace: "(NEW.status = 'processing' AND NEW.fence = OLD.fence + 1)"
      }
    ],
    caught: [{ file: MODEL, test: "one step after the other" }]
  },
  {
    name: "no-guard",
    without: "the database lets any writer change what is done",
    edits: [
      {
        file: SCHEMA,
        find: "    RAISE EXCEPTION 'done is final' USING ERRCODE = 'OG002';",
        replace: "    RETURN NEW;"
      }
    ],
    caught: [
      {
        file: GATE_STORE,
        test: "the guard refuses any writer: done is final, a claim needs the next fence, the log only grows"
      }
    ]
  },
  {
    name: "attempts-miscounted",
    without: "the failure of a redelivery counts",
    edits: [
      {
        file: FAIL,
        find: "attempts = e.attempts + CASE WHEN r.counted THEN 1 ELSE 0 END",
        replace: "attempts = e.attempts + CASE WHEN r.released THEN 0 ELSE 1 END"
      }
    ],
    caught: [{ file: MODEL, test: "one step after the other" }]
  },
  {
    name: "completion-races-its-own-repeat",
    without: "a completion that waited for its own first sending takes the row for another worker's",
    edits: [
      {
        file: COMPLETE,
        find: "WHEN e.status = 'processing' AND e.fence = v.fence THEN CASE WHEN oncegate_repeat('complete') THEN 'raced' END\n",
        replace: "\n"
      }
    ],
    caught: [{ file: MODEL, test: "up to three steps at the same moment: some order explains all of it" }]
  },
  {
    name: "lost-reclaim-forgets-why",
    without: "a re-claim whose reply was lost counts as one of a redelivery",
    edits: [
      {
        file: RECLAIM,
        find: "WHEN e.claim_token = v.token -- of a lost reply: what it was is in the log alone",
        replace: "WHEN true THEN 'redelivered' WHEN e.claim_token = v.token"
      }
    ],
    caught: [{ file: MODEL, test: "with replies that are lost" }]
  },
  {
    name: "relay-forgets-late-commits",
    without:
      "the relay reads on from where it was, like a cursor on the sequence, and not what was under way there",
    edits: [
      {
        file: "src/infra/postgres/LogReader.ts",
        find: "SELECT * FROM webhook_event_log WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))\n           LIMIT",
        replace: "SELECT * FROM webhook_event_log WHERE false\n           LIMIT"
      },
      {
        file: "src/infra/postgres/LogReader.ts",
        find: "SELECT * FROM webhook_event_log WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))\n       ) l",
        replace: "SELECT * FROM webhook_event_log WHERE false\n       ) l"
      }
    ],
    caught: [
      {
        file: "test/infra/postgres/LogReader.test.ts",
        test: "finds a transaction that was under way at the first start once it commits"
      },
      {
        file: "test/infra/postgres/LogReader.test.ts",
        test: "loses nothing, doubles nothing and keeps each key's order under concurrent writers and a long transaction"
      }
    ]
  }
]

export const mutants: ReadonlyArray<Mutant> = [...inside, ...outside, ...beyond]
