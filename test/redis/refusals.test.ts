import { Cluster, Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { keyed, manual, probe } from '../../src/contract/index.ts'
import { createClient, RESP_TYPES } from 'redis'
import type { Store } from '../../src/engine/index.ts'
import { redisStore, type RedisOptions } from '../../src/store/redis/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { orderTool } from '../support/order-tool.ts'
import { REDIS, startRedis, type RedisServer } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'

/** What the guide tells operators to give the ledger's user. */
export const RIGHTS =
  '~{onefold.* &onefold!* +eval +evalsha +get +set +mset +del +exists +type +hget +hset +hmget +hgetall +hincrby +hdel ' +
  '+zadd +zrem +zscore +zrangebyscore +rpush +lrange +publish +subscribe +unsubscribe +time +wait +info +ping'

describeWithServer(REDIS, 'A Redis that cannot keep a ledger', () => {
  let server: RedisServer
  let downstream: Downstream
  const clients: Redis[] = []
  const servers: RedisServer[] = []

  const storeOn = (url: string, options: Partial<RedisOptions> = {}): Store => {
    const client = new Redis(url)
    clients.push(client)
    return redisStore({ client, ...options })
  }
  const started = async (settings: Record<string, string>): Promise<RedisServer> => {
    const other = await startRedis(settings)
    servers.push(other)
    return other
  }

  beforeAll(async () => {
    server = await startRedis()
    downstream = await startDownstream()
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await Promise.all(servers.splice(0).map((each) => each.close()))
    server.cli('FLUSHALL')
  })
  afterAll(async () => {
    await server.close()
    await downstream.close()
  })

  it.each([
    ['evicts', { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'allkeys-lru' }, 'allkeys-lru'],
    [
      'evicts what expires',
      { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'volatile-ttl' },
      'volatile-ttl',
    ],
    ['keeps nothing on its disk', { appendonly: 'no' }, 'append-only file is off'],
  ])('one that %s is refused before anything is served', async (_, settings, found) => {
    const other = await started(settings)
    const guard = testGuard({ store: storeOn(other.url()) })
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await expect(order({ ref: 'refused' })).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining(found) as string,
    })
    expect(await downstream.effects('refused')).toBe(0)
  })

  it.each([
    ['numbers as text', { [RESP_TYPES.NUMBER]: String }],
    ['texts as bytes', { [RESP_TYPES.BLOB_STRING]: Buffer }],
  ])('one whose client gives %s is refused: a conflict would look like a success', async (what, typeMapping) => {
    const client = createClient({ url: server.url(), commandOptions: { typeMapping } })
    const guard = testGuard({ store: redisStore({ client: client as never }) })
    const order = orderTool(guard, downstream, { recovery: manual() })
    await expect(order({ ref: what })).rejects.toMatchObject({ code: 'CONFIG_INVALID', effect: 'none' })
    expect(await downstream.effects(what)).toBe(0)
    await guard.close().catch(() => undefined)
    client.destroy()
  })

  it.each(['EVALSHA', 'TIME', 'PUBLISH'])('one whose %s was renamed is refused, and it is said', async (name) => {
    const other = await started({ appendonly: 'yes', 'rename-command': `${name} another` })
    await expect(storeOn(other.url()).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('does not know a command') as string,
    })
  })

  it('one that begins to evict while it is served permits nothing new, and goes on answering', async () => {
    const other = await started({ appendonly: 'yes', appendfsync: 'always' })
    const guard = testGuard({ store: storeOn(other.url()) })
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: 'before' })
    other.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await guard.internals.tick()
    await expect(order({ ref: 'evicting' })).rejects.toMatchObject({ code: 'STORE_UNSAFE', effect: 'none' })
    await order({ ref: 'before' })
    other.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await guard.internals.tick()
    await order({ ref: 'evicting' })
    expect([await downstream.effects('before'), await downstream.effects('evicting')]).toEqual([1, 1])
    await guard.close()
  })

  it.each([
    ['a prefix', { keyPrefix: 'app:' }, 'keyPrefix'],
    ['numbers as text', { stringNumbers: true }, 'stringNumbers'],
  ])('a client of ioredis with %s is refused', (_name, options, found) => {
    const client = new Redis(server.url(), { ...options, lazyConnect: true })
    clients.push(client)
    expect(() => redisStore({ client })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error)
    expect(() => redisStore({ client })).toThrow(found)
    const cluster = new Cluster([server.url()], { redisOptions: options, lazyConnect: true })
    expect(() => redisStore({ client: cluster })).toThrow(found)
    cluster.disconnect()
  })

  it('a replica is refused', async () => {
    const replica = await started({ appendonly: 'yes', replicaof: `127.0.0.1 ${server.port}` })
    await expect(storeOn(replica.url()).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('connect to the primary') as string,
    })
  })

  it('a server that does not sync every write takes keyed tools and refuses manual and probe tools', async () => {
    const other = await started({ appendonly: 'yes', appendfsync: 'everysec' })
    const early = testGuard({ store: storeOn(other.url()) })
    orderTool(early, downstream, { recovery: manual() })
    await expect(early.open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('appendfsync is everysec') as string,
    })
    const guard = testGuard({ store: storeOn(other.url()) })
    const order = orderTool(guard, downstream, { recovery: keyed('24h') })
    await order({ ref: 'everysec' })
    await order({ ref: 'everysec' })
    expect(await downstream.effects('everysec')).toBe(1)
    const unsafe: unknown = expect.objectContaining({ code: 'STORE_UNSAFE' })
    expect(() => orderTool(guard, downstream, { name: 'by_hand', recovery: manual() })).toThrow(unsafe as Error)
    expect(() =>
      orderTool(guard, downstream, {
        name: 'by_probe',
        recovery: probe(async () => ({ found: 'unknown' }), { settle: '1s' }),
      }),
    ).toThrow(unsafe as Error)
    let done = 0
    await expect(guard.once('by hand', () => (done += 1))).rejects.toMatchObject({ code: 'STORE_UNSAFE' })
    expect(done).toBe(0)
    await guard.close()
  })

  it('a server that syncs every write takes manual and probe tools', async () => {
    const guard = testGuard({ store: storeOn(server.url()) })
    await guard.open()
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: 'always' })
    await order({ ref: 'always' })
    expect(await downstream.effects('always')).toBe(1)
    await guard.close()
  })

  it('a user with the rights of the guide serves, and one that lacks a right is refused at the start', async () => {
    server.cli('ACL', 'SETUSER', 'ledger', 'reset', 'on', '>s3cret', ...RIGHTS.split(' '))
    const url = server.url({ user: 'ledger', password: 's3cret' })
    const guard = testGuard({ store: storeOn(url, { appendfsync: 'always' }) })
    const order = orderTool(guard, downstream, { recovery: manual() })
    await order({ ref: 'rights' })
    await order({ ref: 'rights' })
    expect(await downstream.effects('rights')).toBe(1)
    await guard.close()
    const untold = testGuard({ store: storeOn(url) })
    orderTool(untold, downstream, { recovery: manual() })
    await expect(untold.open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('do not tell whether appendfsync is always') as string,
    })
    for (const right of ['publish', 'zadd', 'eval', 'info', 'hdel']) {
      server.cli('ACL', 'SETUSER', 'ledger', 'reset', 'on', '>s3cret', ...RIGHTS.split(' '), `-${right}`)
      server.cli('SCRIPT', 'FLUSH')
      await expect(storeOn(url).open(), right).rejects.toMatchObject({
        code: 'STORE_UNSAFE',
        message: expect.stringContaining('may not do what a ledger needs') as string,
      })
    }
    server.cli('ACL', 'DELUSER', 'ledger')
  })

  it.each([
    ['nobody listens', async () => 'redis://127.0.0.1:1', 'cannot be reached|gave no answer', 'ECONNREFUSED'],
    [
      'the password is wrong',
      async () => (await started({ appendonly: 'yes', requirepass: 'right' })).url({ password: 'wrong' }),
      'refused the login',
      'WRONGPASS|NOAUTH',
    ],
    [
      'there is no password',
      async () => (await started({ appendonly: 'yes', requirepass: 'right' })).url(),
      'refused the login',
      'NOAUTH',
    ],
  ])('where %s, the error says so', async (_, url, told, why) => {
    const at = await url()
    const node = createClient({ url: at, socket: { reconnectStrategy: false } })
    for (const store of [storeOn(at), redisStore({ client: node })]) {
      const began = performance.now()
      await expect(store.open()).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringMatching(told) as string,
      })
      await expect(store.open()).rejects.toThrow(new RegExp(why))
      expect(performance.now() - began).toBeLessThan(5_000)
      await store.close()
    }
  })

  it('another program’s keys and a ledger of another version are refused', async () => {
    server.cli('SET', '{onefold.0}m', 'mine')
    await expect(storeOn(server.url()).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('another program') as string,
    })
    server.cli('DEL', '{onefold.0}m')
    server.cli('HSET', '{onefold.0}m', 'field', 'mine')
    await expect(storeOn(server.url()).open()).rejects.toThrow('another program')
    expect(server.cli('HGETALL', '{onefold.0}m')).toBe('field\nmine\n')
    server.cli('DEL', '{onefold.0}m')
    const store = storeOn(server.url())
    await store.open()
    await store.close()
    server.cli('HSET', '{onefold.0}m', 'schema', '1')
    await expect(storeOn(server.url()).open()).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringContaining('schema version 1') as string,
    })
  })

  it('something that is no client, and a prefix that is none', () => {
    expect(() => redisStore({ client: {} as never })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    const client = new Redis({ lazyConnect: true })
    for (const prefix of ['', '{x}', 'a b', 'x'.repeat(65)])
      expect(() => redisStore({ client, prefix })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})
