import { afterAll, describe, expect, it } from 'vitest'
import { mcpFetch, protectModel, protectTools, toAiSdk } from '../src/adapter/ai-sdk/index.ts'
import { protectNode, toLangChain } from '../src/adapter/langchain/index.ts'
import { protectStep, protectTool as protectMastraTool, toMastra } from '../src/adapter/mastra/index.ts'
import { keyed, manual } from '../src/contract/index.ts'
import { downstreamFetch } from '../src/downstream/index.ts'
import { onefoldFetch, protectFetch } from '../src/downstream/public.ts'
import { orderIntent, runFrom } from '../src/engine/index.ts'
import { protectHandler } from '../src/http/index.ts'
import { llmFetch } from '../src/llm/index.ts'
import { protectClient, protectServer } from '../src/mcp/public.ts'
import { migratePostgres, postgresStore, putIntoOutbox, relayOutbox } from '../src/store/postgres/index.ts'
import { memoryStore } from '../src/store/memory/index.ts'
import { sqliteStore } from '../src/store/sqlite/index.ts'
import { chaos, faultyHttp, faultyMcp, probeEndpoint, verifyTool } from '../src/testing/index.ts'
import { github, stripe, webhookInbox } from '../src/webhook/index.ts'
import { testGuard } from './support/guard.ts'

const guard = testGuard()
afterAll(() => guard.close())

const charge = guard.tool({
  name: 'charge',
  input: { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as never,
  effect: 'write',
  identity: 'all',
  recovery: manual(),
  execute: () => 'done',
} as never) as never
const server = { setRequestHandler: () => undefined }
const client = { callTool: async () => undefined, listTools: async () => undefined }
const inbox = { from: github({ secret: 's' }), handle: () => undefined }
const answer = (): Response => new Response()
const pay = { match: 'POST /pay', recovery: manual() }
const drill = { workflow: () => undefined, snapshot: () => 0 }
const probing = {
  target: { kind: 'http', url: 'http://127.0.0.1:1/', method: 'POST', headers: {}, body: undefined },
  count: async () => 0,
}
const verdict = { verdict: 'released', who: 'ops', note: 'looked' }

/** What somebody wrote who works without types, and the option that was meant. */
const misspelt: readonly (readonly [door: string, word: string, meant: string, call: () => unknown])[] = [
  ['keyed()', 'prob', 'probe', () => keyed('24h', { prob: () => undefined } as never)],
  [
    'a saga',
    'retenton',
    'retention',
    () => guard.saga('s', [{ tool: charge, input: String }], { retenton: '7d' } as never),
  ],
  ['a step', 'undoo', 'undo', () => guard.saga('s', [{ tool: charge, input: String, undoo: 'none' } as never])],
  [
    'an undo',
    'inputs',
    'input',
    () => guard.saga('s', [{ tool: charge, input: String, undo: { tool: charge, inputs: String } } as never]),
  ],
  ['orderIntent', 'retenton', 'retention', () => orderIntent(guard, {} as never, { retenton: '7d' } as never)],
  ['runFrom', 'trustTenants', 'trustTenant', () => runFrom({}, { trustTenants: true } as never)],
  ['purge', 'dryrun', 'dryRun', () => guard.ledger.purge({ dryrun: true } as never)],
  ['reconcile', 'tools', 'tool', () => guard.ledger.reconcile([], { tools: 'refund' } as never)],
  ['list', 'state', 'states', () => guard.ledger.list({ state: ['in-doubt'] } as never)],
  ['resolve', 'values', 'value', () => guard.ledger.resolve('of1_x', { ...verdict, values: 1 } as never)],
  ['protectTools', 'form', 'from', () => protectTools(guard, {}, {}, { form: 'slack' } as never)],
  [
    'undeclared',
    'afterDelivry',
    'afterDelivery',
    () => protectTools(guard, {}, {}, { undeclared: { afterDelivry: 'hold' } } as never),
  ],
  [
    'protectNode',
    'identiy',
    'identity',
    () => protectNode(guard, String, { name: 'pay', recovery: manual(), identiy: String } as never),
  ],
  ['protectModel', 'onsample', 'onSample', () => protectModel(guard, {} as never, { onsample: String } as never)],
  ['mcpFetch', 'fech', 'fetch', () => mcpFetch({ fech: fetch } as never)],
  ['llmFetch', 'identify', 'identity', () => llmFetch(guard, { identify: String } as never)],
  ['onefoldFetch', 'carrys', 'carries', () => onefoldFetch({ carrys: false } as never)],
  ['protectFetch', 'provider', 'providers', () => protectFetch(guard, { provider: {} } as never)],
  ['downstream', 'budgets', 'budget', () => downstreamFetch(fetch, { budgets: {} } as never)],
  ['the budget', 'calls', 'call', () => downstreamFetch(fetch, { budget: { calls: 1 } } as never)],
  [
    'a service',
    'principals',
    'principal',
    () => protectHandler(guard, { routes: [], principals: 'none' } as never, answer),
  ],
  ['a route', 'ignored', 'ignore', () => protectHandler(guard, { routes: [{ ...pay, ignored: [] }] } as never, answer)],
  [
    'protectServer',
    'unknownTool',
    'unknownTools',
    () => protectServer(guard, server, {}, { unknownTool: {} } as never),
  ],
  [
    'unknownTools',
    'afterErrors',
    'afterError',
    () => protectServer(guard, server, {}, { unknownTools: { afterErrors: 'hold' } } as never),
  ],
  ['protectClient', 'honorsKeys', 'honoursKeys', () => protectClient(client as never, { honorsKeys: [] } as never)],
  ['webhookInbox', 'remember', 'rememberMs', () => webhookInbox(guard, { ...inbox, remember: 1 } as never)],
  ['github', 'secrets', 'secret', () => github({ secrets: 's' } as never)],
  ['stripe', 'tolerance', 'toleranceMs', () => stripe({ secret: 's', tolerance: 1 } as never)],
  ['chaos', 'persons', 'person', () => chaos({ ...drill, persons: () => true } as never)],
  ['the faults of chaos', 'lost_answer', 'lost-answer', () => chaos({ ...drill, faults: ['lost_answer'] } as never)],
  ['verifyTool', 'states', 'state', () => verifyTool(String, { input: 1, states: String } as never)],
  ['faultyHttp', 'fault', 'faults', () => faultyHttp({ upstream: 'http://127.0.0.1', fault: [] } as never)],
  ['faultyMcp', 'fault', 'faults', () => faultyMcp({ command: 'node', fault: [] } as never)],
  [
    'the faults of a proxy',
    'lost_request',
    'lost-request',
    () => faultyHttp({ upstream: 'http://127.0.0.1', faults: ['lost_request'] } as never),
  ],
  ['probeEndpoint', 'caller', 'callers', () => probeEndpoint({ ...probing, caller: 4 } as never)],
  [
    'a guard of chaos',
    'tenat',
    'tenant',
    () => chaos({ ...drill, open: (life) => life.onefold({ store: memoryStore(), tenat: 'a' } as never) }),
  ],
  [
    'a message of the outbox',
    'kye',
    'key',
    () => putIntoOutbox({ key: 'of1_x', transaction: {} }, { topic: 't', payload: 1, kye: 'k' } as never),
  ],
  ['relayOutbox', 'atonce', 'atOnce', () => relayOutbox(guard, { client: {}, atonce: 1 } as never)],
  ['migratePostgres', 'roles', 'role', () => migratePostgres({} as never, { roles: 'x' } as never)],
]

describe('an option that there is not', () => {
  it.each(misspelt)('of %s: %s is refused, and %s named', async (_door, word, meant, call) => {
    await expect((async () => await call())()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      details: { name: word, nearest: meant },
    })
  })
})

const none = undefined as never
const unit = { name: 'unit', recovery: manual() }
const later = async (): Promise<void> => undefined
const look = { look: { inputSchema: {}, execute: () => 1 } } as never
const looked = (given: object): never => ({ look: { identity: 'all', recovery: manual(), ...given } }) as never
const step = { tool: charge, input: String, undo: 'none' } as const
const last = { tool: charge, name: 'last', input: String }
const saga = (steps: unknown): unknown => guard.saga('trip', steps as never)
const inboxWith = (given: object): unknown => webhookInbox(guard, { ...inbox, name: 'other', ...given } as never)

/** What would be found out only when an event comes, or when a step has to be undone. */
const missing: readonly (readonly [what: string, message: string, call: () => unknown])[] = [
  ['a saga without steps', 'no list of steps', () => saga(undefined)],
  ['a step without a tool', 'no protected tool', () => saga([{ ...step, tool: undefined }])],
  ['a step whose tool is a function', 'no protected tool', () => saga([{ ...step, tool: String }])],
  ['a step without input', 'has no input', () => saga([{ ...step, input: undefined }, last])],
  ['an undo that there is not', "'compensate' or 'none'", () => saga([{ ...step, undo: 'compensat' }, last])],
  ['an undo without input', 'has no input', () => saga([{ ...step, undo: { tool: charge } }, last])],
  ['an inbox without a handler', 'has no handle', () => inboxWith({ handle: undefined })],
  ['an inbox without a sender', 'from: stripe({ secret })', () => inboxWith({ from: undefined })],
  ['an inbox with a sender that was not called', 'from: stripe({ secret })', () => inboxWith({ from: stripe })],
  [
    'a relay that publishes nowhere',
    'no publish',
    () => relayOutbox(guard, { client: {}, recovery: manual() } as never),
  ],
  [
    'a contract that is a misspelt word',
    "Write 'read', or { identity, recovery }",
    () => protectTools(guard, { look: { inputSchema: {}, execute: () => 1 } } as never, { look: 'raed' } as never),
  ],
  ['a node without options', 'protectNode takes an object with name,', () => protectNode(guard, String, none)],
  ['a node without a function', 'the function of a node', () => protectNode(guard, none, { ...unit })],
  [
    'a node without a name',
    'takes a name, by which',
    () => protectNode(guard, String, { recovery: manual() } as never),
  ],
  ['a step without options', 'protectStep takes an object with name,', () => protectStep(guard, later, none)],
  ['a step without a function', "the step's execute", () => protectStep(guard, none, { ...unit })],
  ['toAiSdk of nothing', 'toAiSdk takes a tool that guard.tool', () => toAiSdk(none)],
  ['toAiSdk of a plain function', 'toAiSdk takes a tool that guard.tool', () => toAiSdk(String as never)],
  ['toMastra without its factory', 'createTool of @mastra/core/tools', () => toMastra(charge, none)],
  ['toLangChain of a contract', 'toLangChain takes a tool that guard.tool', () => toLangChain({} as never, String)],
  ['a factory that there is not', 'the factory createTool', () => protectMastraTool(guard, none)],
  ['a tool set that there is not', 'a set of tools', () => protectTools(guard, none)],
  ['a guard that there is not', 'the guard, onefold(…)', () => protectTools(none, {})],
  ['contracts that there are not', 'contracts by the names of tools', () => protectTools(guard, {}, null as never)],
  ['a handler beside its tool', 'has execute, which', () => protectTools(guard, look, looked({ execute: String }))],
  ['a read with a contract', "Write look: 'read'", () => protectTools(guard, look, looked({ effect: 'read' }))],
  ['a sender whose secret is unset', 'stripe needs its signing secret', () => stripe({ secret: undefined as never })],
]

describe('what is needed and not there', () => {
  it.each(missing)('%s is refused before anything can happen', (_what, message, call) => {
    expect(call).toThrow(
      expect.objectContaining({ name: 'OnefoldError', message: expect.stringContaining(message) }) as Error,
    )
  })
})

it.each([{ input: 1 }, { state: () => 1 }])('verifyTool with %j alone is refused before a call', async (given) => {
  await expect(verifyTool(String, given as never)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('input: (unique) => … and state: (input) => …') as string,
  })
})

describe('a limit that would limit nothing', () => {
  it.each([Number.NaN, -1, '3', null])('a retry budget of %j is refused', (call) => {
    expect(() => downstreamFetch(fetch, { budget: { call } } as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })

  it.each([Number.NaN, -1, Infinity])('signatures %d ms old are no tolerance', (toleranceMs) => {
    expect(() => stripe({ secret: 's', toleranceMs })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('callers that would call nothing at once', () => {
  it.each([0, 1, 1.5, '16', Number.NaN])('probeEndpoint of %j is refused', async (callers) => {
    await expect(probeEndpoint({ ...probing, callers } as never)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('callers of probeEndpoint must be') as string,
    })
  })
})

describe('a duration where milliseconds are asked for', () => {
  it.each<readonly [name: string, call: () => unknown]>([
    ['clientTimeoutMs', () => protectServer(guard, server, {}, { clientTimeoutMs: '30s' } as never)],
    ['backoffMs', () => protectClient(client as never, { backoffMs: '1s' } as never)],
    ['waitMs', () => webhookInbox(guard, { ...inbox, waitMs: '8s' } as never)],
    ['bodyBytes', () => protectHandler(guard, { routes: [], bodyBytes: '1mb' } as never, answer)],
    ['deadlineMs', () => postgresStore({ client: {}, deadlineMs: '2s' } as never)],
    ['busyMs', () => sqliteStore({ path: 'never-made.db', busyMs: '2s' } as never)],
  ])('%s is refused', (name, call) => {
    expect(call).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', details: { name } }))
  })
})

describe('a verdict', () => {
  it.each([
    [{ ...verdict, verdict: 'commited' }, 'A verdict is one of committed, released, abandoned. Nothing was changed.'],
    [{ verdict: 'released', note: 'looked' }, 'under a name and with a reason'],
    [{ ...verdict, note: 7 }, 'under a name and with a reason'],
  ])('%j is refused', async (given, message) => {
    await expect(guard.ledger.resolve('of1_x', given as never)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })
})

describe('a route that an earlier one hides', () => {
  it('is refused in code as it is in onefold.yaml', () => {
    const routes = [{ match: '* /admin/**', effect: 'read' } as const, { ...pay, match: 'POST /admin/refunds' }]
    expect(() => protectHandler(guard, { routes }, answer)).toThrow(
      expect.objectContaining({
        code: 'CONTRACT_INVALID',
        message: expect.stringContaining('"* /admin/**" before it fits all its requests') as string,
      }),
    )
  })
})
