import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { onefold, keyed, type Guard, type OnefoldError } from './index.ts'
import { dynamodbStore } from './store/dynamodb/index.ts'
import { memoryStore } from './store/memory/index.ts'
import { postgresStore } from './store/postgres/index.ts'
import { redisStore } from './store/redis/index.ts'
import { sqliteStore } from './store/sqlite/index.ts'

/** As plain JavaScript sees it: without types. */
const bare = <T>(value: unknown): T => value as T
const guardOf = (): Guard => onefold({ store: memoryStore(), allowVolatile: true })

const refused = (message: string): unknown =>
  expect.objectContaining({ code: 'CONFIG_INVALID', effect: 'none', message: expect.stringContaining(message) })

describe('what plain JavaScript may get wrong is refused by name', () => {
  it.each<[string, () => unknown, string]>([
    ['onefold', () => onefold(bare({ tennant: 'acme' })), 'no option "tennant". Did you mean tenant?'],
    ['onefold', () => onefold(bare({ retention: '7d' })), 'no option "retention". There are store, tenant'],
    ['onefold', () => onefold(bare('effects.db')), 'onefold takes an object'],
    ['its secret', () => onefold(bare({ keySecret: process.env['NOT_SET'] })), 'from a variable that is not set'],
    ['its secret', () => onefold(bare({ store: memoryStore(), allowVolatile: true, keySecret: '' })), 'no secret'],
    ['its tenant', () => onefold(bare({ store: memoryStore(), allowVolatile: true, tenant: '' })), 'no tenant'],
    ['its tenant', () => onefold(bare({ store: memoryStore(), allowVolatile: true, tenant: 7 })), 'no tenant'],
    ['its store', () => onefold(bare({ store: 'sqlite:x.db' })), "store: sqliteStore('effects.db')"],
    ['its store', () => onefold(bare({ store: sqliteStore })), 'was given function'],
    ['sqliteStore', () => sqliteStore(bare({ path: 'x.db', busy: 9 })), 'Did you mean busyMs?'],
    ['sqliteStore', () => sqliteStore(bare(undefined)), 'sqliteStore takes an object'],
    ['sqliteStore', () => sqliteStore(bare({})), "sqliteStore('effects.db')"],
    ['memoryStore', () => memoryStore(bare({ clok: Date.now })), 'Did you mean clock?'],
    ['redisStore', () => redisStore(bare({ client: {}, prefx: 'x' })), 'Did you mean prefix?'],
    ['redisStore', () => redisStore(bare(undefined)), 'redisStore takes an object'],
    ['postgresStore', () => postgresStore(bare({ client: {}, shcema: 'x' })), 'Did you mean schema?'],
    ['dynamodbStore', () => dynamodbStore(bare({ client: {}, tabel: 'x' })), 'Did you mean table?'],
    [
      'guard.on',
      () => guardOf().on(bare<'doubt'>('doubts'), () => undefined),
      'no event "doubts". Did you mean doubt?',
    ],
  ])('%s', (_of, make, message) => {
    expect(make).toThrow(refused(message) as OnefoldError)
  })

  it('guard.run', async () => {
    const run = guardOf().run(bare({ id: 'r', tennant: 'acme' }), () => 'ran')
    await expect(run).rejects.toEqual(refused('Did you mean tenant?'))
    await expect(
      guardOf().run(
        bare(() => 'ran'),
        bare(undefined),
      ),
    ).rejects.toEqual(refused('guard.run takes an object'))
  })

  it.each<[string, unknown, unknown, string]>([
    ['a number for an id', { id: 7 }, () => 'ran', 'The id of guard.run is a text and was given as number'],
    ['a tenant that is no text', { id: 'r', tenant: {} }, () => 'ran', 'The tenant of guard.run is a text'],
    ['a session that is no text', { id: 'r', session: 9n }, () => 'ran', 'The session of guard.run is a text'],
    ['no work', { id: 'r' }, undefined, 'guard.run({ id }, async (run) => …)'],
  ])('guard.run: %s', async (_what, options, work, message) => {
    await expect(guardOf().run(bare(options), bare(work))).rejects.toEqual(refused(message))
  })

  it('a call, before its effect; what a framework hands along behind the input is not ours', async () => {
    let effects = 0
    const pay = guardOf().tool({
      name: 'pay',
      input: z.object({ ref: z.string() }),
      effect: 'write',
      identity: ['ref'],
      recovery: keyed('24h'),
      execute: () => (effects += 1),
    })
    await expect(pay({ ref: 'a' }, bare({ occurence: 2 }))).rejects.toEqual(refused('Did you mean occurrence?'))
    await expect(pay.perform({ ref: 'a' }, bare({ idempotencykey: 'k' }))).rejects.toEqual(refused('idempotencyKey?'))
    await expect(pay.compensate({ ref: 'a' }, bare({ onDoubts: 'wait' }))).rejects.toEqual(refused('onDoubt?'))
    expect(effects).toBe(0)
    const { signal } = new AbortController()
    await pay(
      { ref: 'a' },
      bare({ toolCallId: 'c1', messages: [], abortSignal: signal, experimental_context: {}, runId: 'r', config: {} }),
    )
    expect(effects).toBe(1)
  })
})
