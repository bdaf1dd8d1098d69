import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Finding, Store } from '../../src/engine/index.ts'
import { dynamodbStore, tableDefinition, type DynamodbOptions } from '../../src/store/dynamodb/index.ts'
import { claimOf } from '../support/claim.ts'
import { REGION, startDynalite, type Dynalite } from '../support/servers/dynalite.ts'

const ELSEWHERE = 'eu-west-1'

describe('A DynamoDB table that cannot keep a ledger', () => {
  let server: Dynalite
  const stores: Store[] = []
  beforeAll(async () => {
    server = await startDynalite()
  })
  afterEach(async () => {
    await server.order({})
    for (const store of stores.splice(0)) await store.close()
  })
  afterAll(async () => await server.close())

  function storeOn(table: string, options: Partial<DynamodbOptions> = {}): Store {
    const store = dynamodbStore({ client: server.client(), table, deadlineMs: 5_000, ...options })
    stores.push(store)
    return store
  }
  async function opened(table: string, options: Partial<DynamodbOptions> = {}): Promise<Store> {
    const store = storeOn(table, options)
    await store.open()
    return store
  }
  const refusal = async (store: Store): Promise<unknown> => {
    const error: unknown = await store.open().catch((thrown: unknown) => thrown)
    await expect(store.read('key', 'tenant')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    return error
  }
  const unsafe = (text: string): object => ({
    code: 'STORE_UNSAFE',
    message: expect.stringContaining(text) as string,
  })
  const unavailable = (text: string): object => ({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining(text) as string,
  })
  const arnIn = (region: string): string => `arn:aws:dynamodb:${region}:000000000000:table/any`
  const replicasIn = (...regions: string[]): object[] => regions.map((RegionName) => ({ RegionName }))

  describe('that is replicated, last writer wins', () => {
    it('is refused where nobody says which region writes', async () => {
      await server.order({ describes: { Replicas: replicasIn(REGION, ELSEWHERE) } })
      expect(await refusal(storeOn(await server.table()))).toMatchObject(unsafe(`home: '${REGION}'`))
    })

    it('is refused outside the region that was named', async () => {
      await server.order({ describes: { Replicas: replicasIn(REGION, ELSEWHERE) } })
      const table = await server.table()
      expect(await refusal(storeOn(table, { home: ELSEWHERE }))).toMatchObject(unsafe(`use a client for ${ELSEWHERE}`))
      await opened(table, { home: REGION })
    })

    it('is refused outside the region that it was first opened in, whatever a client says', async () => {
      const table = await server.table()
      await opened(table)
      await server.order({ describes: { TableArn: arnIn(ELSEWHERE), Replicas: replicasIn(REGION, ELSEWHERE) } })
      expect(await refusal(storeOn(table))).toMatchObject(unsafe('last writer wins'))
      expect(await refusal(storeOn(table, { home: ELSEWHERE }))).toMatchObject(unsafe(`written in ${REGION}`))
    })

    it('is served everywhere where its regions agree before they acknowledge', async () => {
      const table = await server.table()
      await opened(table)
      const describes = {
        TableArn: arnIn(ELSEWHERE),
        Replicas: replicasIn(REGION, ELSEWHERE),
        MultiRegionConsistency: 'STRONG',
      }
      await server.order({ describes })
      const store = await opened(table)
      expect(await found(store, 'replication')).toMatchObject({ ok: true })
    })
  })

  it('that is not there, with how to make it', async () => {
    expect(await refusal(storeOn('nowhere'))).toMatchObject({
      ...unavailable('onefold ledger migrate'),
      retryable: false,
    })
  })

  it('that is another program’s, and nothing in it is touched', async () => {
    const TableName = 'theirs'
    const client = server.client()
    await client.createTable({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    })
    await expect.poll(() => refusal(storeOn(TableName))).toMatchObject(unsafe('another program'))
    expect((await client.scan({ TableName })).Items).toEqual([])
  })

  it('that lacks an index', async () => {
    const { GlobalSecondaryIndexes, AttributeDefinitions, ...rest } = tableDefinition('half')
    await server.client().createTable({
      ...rest,
      AttributeDefinitions: AttributeDefinitions.filter(({ AttributeName }) => AttributeName !== 'o'),
      GlobalSecondaryIndexes: GlobalSecondaryIndexes.slice(0, 1),
    })
    expect(await refusal(storeOn('half'))).toMatchObject(unsafe('no index open'))
  })

  it('that is still being made: to be tried again', async () => {
    const table = await server.table()
    await server.order({ describes: { TableStatus: 'CREATING' } })
    expect(await refusal(storeOn(table))).toMatchObject({ ...unavailable('still being made'), retryable: true })
  })

  it.each([0, 99])('whose ledger has layout %i', async (layout) => {
    const table = await server.table()
    await opened(table)
    await server.client().updateItem({
      TableName: table,
      Key: { p: { B: Buffer.from('onefold') }, s: { S: 'meta' } },
      UpdateExpression: 'SET w = :w',
      ExpressionAttributeValues: { ':w': { N: String(layout) } },
    })
    expect(await refusal(storeOn(table))).toMatchObject(unsafe(`layout ${layout}`))
  })

  it.each(['DescribeTable', 'PutItem', 'GetItem'])('where the client may not %s', async (operation) => {
    const table = await server.table()
    await server.order({ denied: [operation] })
    expect(await refusal(storeOn(table))).toMatchObject({ ...unavailable('grant that action'), retryable: false })
  })

  it('where the client may not count: a write says so, and nothing was written', async () => {
    const store = await opened(await server.table())
    await server.order({ denied: ['UpdateItem'] })
    await expect(store.markAmnesia({ at: 1, lossFrom: 1, why: 'a test' })).rejects.toMatchObject(
      unavailable('grant that action'),
    )
    expect((await store.epoch()).amnesia).toBeUndefined()
  })

  it('where only the count of a write is refused: never told as if nothing was written', async () => {
    const store = await opened(await server.table())
    const claim = claimOf('counted', 'first')
    const { record } = await store.write(claim)
    await server.order({ denied: ['UpdateItem'] })
    const erased = store.write({ ...claim, expect: record?.revision ?? 0, draft: undefined })
    await expect(erased).rejects.toMatchObject({ ...unavailable('did not count'), details: { applied: 'unknown' } })
    await expect(erased).rejects.not.toThrow('Nothing was written')
    expect((await store.read(claim.key, claim.tenant)).record).toBeUndefined()
  })

  it('where the answer is lost and the SDK’s own repeat refused: never told as if nothing was written', async () => {
    const table = await server.table()
    const client = server.client()
    let losing = false
    client.middlewareStack.add(
      (next) => async (request) => {
        const answer = await next(request)
        if (!losing) return answer
        losing = false
        await server.order({ denied: ['PutItem'] })
        throw Object.assign(new Error('the connection was reset'), { name: 'TimeoutError' })
      },
      { step: 'deserialize', priority: 'low', name: 'losesAnAnswer' },
    )
    const store = dynamodbStore({ client, table, deadlineMs: 5_000 })
    await store.open()
    losing = true
    const repeated = store.putBlob({ key: 'one', tenant: 't' }, 'b', new Uint8Array(1))
    await expect(repeated).rejects.toMatchObject({
      ...unavailable('grant that action'),
      details: { applied: 'unknown' },
    })
    await expect(repeated).rejects.not.toThrow('Nothing was written')
    await store.close()
  })

  it('something that is no client of commands, and a name that no table can have', () => {
    for (const options of [{ client: {} as never }, { table: 'no' }, { table: 'a table' }])
      expect(() => storeOn('ledger', options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  describe('as the doctor tells it', () => {
    it('has no more to say of a table as it is made than that dynalite protects none', async () => {
      const findings = (await (await opened(await server.table())).doctor?.()) ?? []
      expect(findings.filter(({ ok }) => !ok).map(({ check }) => check)).toEqual(['deletion protection'])
    })

    it('is unsafe with a time to live on what the ledger writes, and to be looked at with another', async () => {
      const store = await opened(await server.table())
      await server.order({ timeToLive: 'l' })
      expect(await found(store, 'time to live')).toMatchObject({
        ok: false,
        unsafe: true,
        fix: expect.stringContaining('Enabled=false') as string,
      })
      await server.order({ timeToLive: 'theirs' })
      const other = await found(store, 'time to live')
      expect(other).toMatchObject({ ok: false })
      expect(other).not.toHaveProperty('unsafe')
    })

    it('without the right to know of a time to live, says which right is missing', async () => {
      const store = await opened(await server.table())
      await server.order({ denied: ['DescribeTimeToLive'] })
      expect(await found(store, 'time to live')).toMatchObject({
        ok: false,
        fix: expect.stringContaining('dynamodb:DescribeTimeToLive') as string,
      })
    })

    it('names the copies in which the last writer wins, and the protection against deletion', async () => {
      const store = await opened(await server.table())
      await server.order({
        describes: { Replicas: replicasIn(REGION, ELSEWHERE), DeletionProtectionEnabled: true },
      })
      expect(await found(store, 'replication')).toMatchObject({
        ok: false,
        found: expect.stringContaining(ELSEWHERE) as string,
      })
      expect(await found(store, 'deletion protection')).toMatchObject({ ok: true })
    })

    it('shows a loss that was marked', async () => {
      const store = await opened(await server.table())
      await store.markAmnesia({ at: 1, lossFrom: 1, why: 'a restore' })
      expect(await found(store, 'epoch')).toMatchObject({
        ok: false,
        found: expect.stringContaining('a restore') as string,
      })
    })
  })
})

const found = async (store: Store, check: string): Promise<Finding | undefined> =>
  (await store.doctor?.())?.find((one) => one.check === check)
