/** A rule or failure that the software must stand up to. */
export interface Requirement {
  readonly id: string
  readonly statement: string
  /** Files whose executed tests prove it: each holds at least one passing test with the id in brackets in its title. */
  readonly tests?: readonly [string, ...string[]]
  /** Why it is not proven yet. */
  readonly notYet?: string
}

/** Met: the files whose tests show it. */
export const by = (...tests: [string, ...string[]]): Pick<Requirement, 'tests'> => ({ tests })

const notYet = (reason: string): Pick<Requirement, 'notYet'> => ({ notYet: reason })

/**
 * The catalogue. A requirement counts as met when a test shows the end state (effects counted at a real
 * downstream program), not a return value. `npm run requirements` prints it from executed tests.
 */
export const REQUIREMENTS: readonly Requirement[] = [
  // Black Friday: an inventory agent behind a retrying gateway
  {
    id: 'BF-1',
    statement:
      'run id minted at the entry, unchanged through all retries, propagated to every tool call, sub-agent and outbound request',
    ...by(
      'test/engine/carrier.test.ts',
      'test/engine/runs.test.ts',
      'test/frameworks/incidents.test.ts',
      'test/frameworks/anthropic.test.ts',
    ),
  },
  {
    id: 'BF-2',
    statement:
      'deterministic key `{run}::{tool}::{index}` available (`sequence`) and sent as a header on each outbound tool call',
    ...by('test/engine/runs.test.ts'),
  },
  {
    id: 'BF-3',
    statement:
      'store lookup first: succeeded → original response; failed before effect → run again; unknown key → run and record; 24 h default retention',
    ...by('test/engine/retries.test.ts'),
  },
  {
    id: 'BF-4',
    statement:
      'failed-before-effect and failed-after-effect are told apart; only the former is retried unconditionally',
    ...by('test/engine/retries.test.ts'),
  },
  {
    id: 'BF-5',
    statement: 'a tool without an idempotency contract cannot be registered; a linter finds handlers that bypass it',
    ...notYet('linter: no issue yet'),
  },
  {
    id: 'BF-6',
    statement:
      'retry harness: model latency past the gateway timeout forces a retry of the whole workflow; end state must equal the single-execution baseline',
    ...by('test/chaos/chaos.test.ts', 'test/scenarios/scenarios.test.ts'),
  },
  {
    id: 'BF-7',
    statement: 'the re-reasoned run picks other parameters, another order, other wording: still no second effect',
    ...by(
      'test/frameworks/langchain/promises.test.ts',
      'test/frameworks/ai-sdk-calls.test.ts',
      'test/frameworks/incidents.test.ts',
    ),
  },
  {
    id: 'BF-8',
    statement: 'silent corruption becomes loud: every call answered 200, yet duplicates raise an alarm within a minute',
    ...notYet('duplicate alarm: no issue yet'),
  },
  {
    id: 'BF-9',
    statement: 'order status history gets each transition once; no PENDING→CONFIRMED→CANCELLED cycling',
    ...by('test/scenarios/scenarios.test.ts'),
  },
  {
    id: 'BF-10',
    statement:
      'tools `reserve_inventory`, `release_inventory`, `update_order_status`, `create_transfer_order` against a real database at 14 times normal load, 30 s timeout and three retries (scaled): 0 of 4,200 orders corrupted, no negative stock',
    ...by('test/scenarios/black-friday.test.ts'),
  },
  {
    id: 'BF-11',
    statement:
      "each tool's idempotency contract is exported as part of its API description (JSON, OpenAPI extension, MCP tool `_meta`)",
    ...by('test/engine/identity.test.ts', 'test/mcp/doors/server.test.ts', 'test/mcp/http.test.ts'),
  },
  {
    id: 'BF-12',
    statement: 'multi-step: saga with compensations; events published through an outbox, once',
    ...by('test/postgres/transactional.test.ts', 'test/saga/saga.test.ts'),
  },
  {
    id: 'BF-13',
    statement: 'doctor reports inherited retry settings: time-outs × retries that sit in front of writes',
    ...by('src/cli/doctor-retries.test.ts'),
  },
  {
    id: 'BF-14',
    statement: "the tool's own server alone stops duplicates, with no orchestrator taking part",
    ...by('test/engine/identity.test.ts'),
  },
  // Five production incidents
  {
    id: 'IN-1',
    statement:
      'fourteen e-mails: 202 then socket timeout, three framework retries times re-triggered flows: one e-mail',
    ...by('test/frameworks/incidents.test.ts'),
  },
  {
    id: 'IN-2',
    statement:
      'double subscription charge: charge keyed, entitlement grant not; retry one level above the key: one charge, one grant',
    ...by('test/scenarios/scenarios.test.ts'),
  },
  {
    id: 'IN-3',
    statement: 'ghost order: the model invents a new order id at each attempt: one order',
    ...by('test/frameworks/langchain/promises.test.ts', 'test/frameworks/incidents.test.ts'),
  },
  {
    id: 'IN-4',
    statement:
      'webhook fan-out: effect done, then the answer fails to parse and 500 goes back; vendor redelivers for three days: stock decremented once, duplicates answered 200',
    ...by('test/webhook/inbox.test.ts'),
  },
  {
    id: 'IN-5',
    statement:
      'duplicate tickets: 8 s timeout against a 12 s service, then a merge step that times out too: one ticket, one merge, one chat thread',
    ...by('test/frameworks/langchain/promises.test.ts', 'test/frameworks/incidents.test.ts'),
  },
  {
    id: 'IN-6',
    statement:
      'a state-mutating call without a key fails fast at the tool boundary (400), where the contract demands a caller key',
    ...by('test/engine/identity.test.ts', 'test/mcp/doors/server.test.ts', 'test/mcp/http.test.ts'),
  },
  {
    id: 'IN-7',
    statement:
      'key derived from caller, operation, meaningful inputs; an agent that sends fresh UUIDs cannot defeat it',
    ...by('test/engine/identity.test.ts'),
  },
  {
    id: 'IN-8',
    statement: 'retention per tool: 24 h default, 7 d for billing and orders',
    ...by('test/engine/runs.test.ts'),
  },
  {
    id: 'IN-9',
    statement: 'the framework synthesises the key when the agent gives none',
    ...by('test/engine/identity.test.ts'),
  },
  {
    id: 'IN-10',
    statement: 'one-line regression test: call twice with the same inputs, assert identical end state',
    ...by('test/chaos/verify-tool.test.ts'),
  },
  {
    id: 'IN-11',
    statement: 'contract version changes: in-flight retries of the old shape fail closed',
    ...by('test/engine/identity.test.ts'),
  },
  {
    id: 'IN-12',
    statement: 'one annotation gives the tool and the contract (safe is as easy as unsafe)',
    ...by('test/engine/runs.test.ts'),
  },
  {
    id: 'IN-13',
    statement:
      'almost the same call (the 5 %): near-duplicates are held for confirmation, neither run nor collapsed by guess',
    ...by('test/engine/identity.test.ts'),
  },
  {
    id: 'IN-14',
    statement: 'redelivered queue message (SQS-, Kafka-, Pub/Sub-shaped): one effect',
    ...by('test/scenarios/scenarios.test.ts'),
  },
  {
    id: 'IN-15',
    statement: 'a person presses the button twice: one run, one effect',
    ...by('test/engine/concurrency.test.ts'),
  },
  {
    id: 'IN-16',
    statement: "reconciliation lists the differences between the ledger and a downstream's own list",
    ...by('test/engine/reconcile.test.ts'),
  },
  // Four shapes of duplicate
  {
    id: 'SH-1',
    statement: 'retry storm on a 504 whose effect happened',
    ...by('test/engine/retries.test.ts', 'test/frameworks/incidents.test.ts'),
  },
  {
    id: 'SH-2',
    statement: 'two sub-agents of one planner with the same intent: one effect, both get the answer',
    ...by(
      'test/engine/concurrency.test.ts',
      'test/engine/identity.test.ts',
      'test/frameworks/langchain/promises.test.ts',
      'test/frameworks/mastra/mastra.test.ts',
      'test/frameworks/openai-agents/promises.test.ts',
      'test/frameworks/ai-sdk-calls.test.ts',
      'test/frameworks/anthropic.test.ts',
    ),
  },
  {
    id: 'SH-3',
    statement: 'partial failure, then compensating retries: half-written first attempt is found, not repeated',
    ...by('test/frameworks/incidents.test.ts', 'test/saga/saga.test.ts'),
  },
  {
    id: 'SH-4',
    statement:
      'crash and replay by a durable engine without a result cache: one effect (Temporal, Restate, Inngest, DBOS)',
    ...by('test/frameworks/dbos/dbos.test.ts'),
  },
  {
    id: 'SH-5',
    statement: "key passed to the downstream in the provider's own form; providers without one get our dedupe layer",
    ...by('test/downstream/ctx-fetch.test.ts', 'test/downstream/stripe.test.ts'),
  },
  {
    id: 'SH-6',
    statement: 'the result is cached, not just the call',
    ...by('test/engine/concurrency.test.ts', 'test/engine/runs.test.ts'),
  },
  {
    id: 'SH-7',
    statement: 'the ten-minute audit: the three questions answered from exported traces, per incident',
    ...notYet('trace audit: no issue yet'),
  },
  {
    id: 'SH-9',
    statement: 'two wanted identical operations both happen (the key is tight enough to be unique)',
    ...by(
      'test/engine/identity.test.ts',
      'test/frameworks/langchain/promises.test.ts',
      'test/frameworks/mastra/mastra.test.ts',
      'test/frameworks/openai-agents/promises.test.ts',
      'test/frameworks/ai-sdk-calls.test.ts',
      'test/frameworks/anthropic.test.ts',
    ),
  },
  {
    id: 'SH-8',
    statement: 'forensic one-page report from traces of the tracing tools people use, naming the root cause and fixes',
    ...notYet('trace audit: no issue yet'),
  },
  // Commerce orders
  {
    id: 'OR-1',
    statement:
      'key anchored when the order intent is created: SHA-256 over merchant, user, SKU, quantity, session-scoped time; survives restart and fail-over',
    ...by('test/intent/order-intent.test.ts'),
  },
  {
    id: 'OR-2',
    statement: 'retention 24-72 h configurable; a late retry after retention gets `RESULT_EXPIRED`, not a second order',
    ...by('test/engine/runs.test.ts'),
  },
  {
    id: 'OR-3',
    statement: 'conflict answers replay the original status, id and body; never a bare 409 that makes an agent retry',
    ...by('test/engine/runs.test.ts'),
  },
  {
    id: 'OR-4',
    statement: 'session scope: sub-agents of one session share identities',
    ...by('test/engine/identity.test.ts'),
  },
  {
    id: 'OR-5',
    statement:
      'MCP middleware: reads the key, attaches it downstream, checks the ledger first; same key through every hop',
    ...by('test/mcp/doors/server.test.ts', 'test/mcp/doors/client.test.ts', 'test/mcp/http.test.ts'),
  },
  {
    id: 'OR-6',
    statement: 'forensic trail: from a key to every attempt, duplicate and decision; tamper-evident export',
    ...notYet('signed export: no issue yet'),
  },
  {
    id: 'OR-7',
    statement: 'gateway validates keys server-side before the upstream',
    ...by('test/http/profiles.test.ts'),
  },
  {
    id: 'OR-8',
    statement: 'alarm when duplicates exceed 0.1 % of keyed calls (with a minimum volume)',
    ...notYet('duplicate alarm: no issue yet'),
  },
  { id: 'OR-9', statement: 'circuit breaker on a duplicate flood', ...by('test/http/flash-sale.test.ts') },
  {
    id: 'OR-10',
    statement: 'audit of every POST endpoint of an API description: has key field, checked before processing',
    ...notYet('API audit: no issue yet'),
  },
  {
    id: 'OR-11',
    statement: 'Redis and DynamoDB ledgers; Postgres; embedded SQLite',
    ...by(
      'test/scenarios/scenarios.test.ts',
      'test/postgres/store-suite.test.ts',
      'test/redis/store.test.ts',
      'src/store/dynamodb/dynamodb-store.test.ts',
    ),
  },
  {
    id: 'OR-12',
    statement:
      'flash sale: 14,000 duplicate attempts in four minutes: zero second orders, no breaker trip for honest traffic',
    ...by('test/http/flash-sale.test.ts'),
  },
  {
    id: 'OR-14',
    statement: 'a retention shorter than the retry horizon is refused at start',
    ...by('test/engine/runs.test.ts'),
  },
  {
    id: 'OR-13',
    statement: 'charge, order, inventory, fulfilment and notification all protected by one operation tree',
    ...by('test/scenarios/scenarios.test.ts'),
  },
  // Eight agent failure modes
  {
    id: 'AG-1',
    statement: 'stream aborted after the tool ran: stream layer, tool layer, log and billing agree (receipt)',
    ...by('test/frameworks/incidents.test.ts'),
  },
  {
    id: 'AG-2',
    statement: 'key header actually sent on every state-changing call',
    ...by(
      'test/downstream/ctx-fetch.test.ts',
      'test/downstream/register.test.ts',
      'test/mcp/doors/server.test.ts',
      'test/mcp/doors/client.test.ts',
      'test/mcp/http.test.ts',
    ),
  },
  {
    id: 'AG-3',
    statement: 'twelve agents call one tool at once: one winner per operation, no lost update',
    ...by('test/engine/concurrency.test.ts', 'test/engine/identity.test.ts'),
  },
  {
    id: 'AG-4',
    statement:
      'a retried model call returns the first answer, streamed or not; one provider sample, also on client timeout',
    ...by('test/frameworks/llm.test.ts'),
  },
  {
    id: 'AG-5',
    statement:
      'tools that lie: "accepted" is not told as done; verification promotes it, or it is shown as unconfirmed',
    ...by('test/engine/runs.test.ts', 'test/http/recovery.test.ts', 'test/frameworks/ai-sdk-calls.test.ts'),
  },
  {
    id: 'AG-6',
    statement: 'hidden SDK retries counted per logical call (attempts, not requests); budgets stop 3×3 storms',
    ...by('test/downstream/attempts.test.ts', 'test/downstream/register.test.ts'),
  },
  {
    id: 'AG-7',
    statement: 'three calls in one planner turn with distinct tool-use ids and one intent: one effect',
    ...by(
      'test/engine/concurrency.test.ts',
      'test/frameworks/langchain/promises.test.ts',
      'test/frameworks/mastra/mastra.test.ts',
      'test/frameworks/openai-agents/promises.test.ts',
      'test/frameworks/ai-sdk-calls.test.ts',
      'test/frameworks/anthropic.test.ts',
    ),
  },
  { id: 'AG-8', statement: 'reads retry freely, writes do not', ...by('test/engine/runs.test.ts') },
  {
    id: 'AG-9',
    statement: 'rate limit (429) after the effect, retried after back-off: one mail',
    ...by('test/engine/retries.test.ts'),
  },
  {
    id: 'AG-10',
    statement: 'distinct operations of several agents on one record lose no update (`exclusive: [field]`)',
    ...by('test/engine/concurrency.test.ts'),
  },
]
