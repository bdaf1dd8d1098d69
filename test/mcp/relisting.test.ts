import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { inShop, PATIENCE, TIMING, type Shop } from './fixtures/harness.ts'
import { ask, receiptIn, serveProxy } from './fixtures/http-harness.ts'
import type { RawClient } from './fixtures/raw-client.ts'
import { callLine, read } from './fixtures/raw-proxy.ts'

const SERVER = [process.execPath, fileURLToPath(new URL('./fixtures/relisting-main.ts', import.meta.url))]
/** `late` is not there at first; `peek` and `liar` are declared nowhere. */
const TOOLS = `
    early: { effect: write, identity: [ref], recovery: manual }
    late: { effect: write, identity: [ref], recovery: manual }
    trusted: { effect: read }`
/** An identical call after the answer is the question here, and not a wanted repeat. */
const UNKNOWN = '{ afterDelivery: replay }'
const shopOptions = { server: SERVER, tools: TOOLS, unknownTools: UNKNOWN }

const INITIALIZE =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}'
const CHANGE = '{"jsonrpc":"2.0","method":"notifications/test/change"}\n'
const CHANGED = '{ "jsonrpc":"2.0",  "method":"notifications/tools/list_changed" }'

interface Tool {
  readonly name: string
  readonly annotations: { readonly readOnlyHint: boolean }
  readonly _meta?: { readonly 'io.onefold/contract': Readonly<Record<string, unknown>> }
}

/** All pages, under ids from `id` on. */
async function list(client: RawClient, id: number): Promise<ReadonlyMap<string, Tool>> {
  const tools = new Map<string, Tool>()
  for (let cursor: string | undefined, n = id; ; n += 1) {
    const params = cursor === undefined ? {} : { cursor }
    const line = await client.ask(JSON.stringify({ jsonrpc: '2.0', id: n, method: 'tools/list', params }))
    const answer = JSON.parse(line) as { id: number; result: { tools: readonly Tool[]; nextCursor?: string } }
    expect(answer.id).toBe(n)
    for (const tool of answer.result.tools) tools.set(tool.name, tool)
    cursor = answer.result.nextCursor
    if (cursor === undefined) return tools
  }
}

async function connect(shop: Shop, protect: boolean): Promise<RawClient> {
  const client = shop.raw(protect)
  await client.ask(INITIALIZE)
  return client
}

async function twice(client: RawClient, tool: string, id: number): Promise<readonly string[]> {
  const texts: string[] = []
  for (const n of [id, id + 1]) {
    const { result } = read(await client.ask(callLine(n, tool, { ref: 'r' })))
    texts.push(result?.content[0]?.text ?? '')
  }
  return texts
}

describe.concurrent(
  'a server whose tools change while it runs (MCP notifications/tools/list_changed)',
  PATIENCE,
  () => {
    it(
      'control: what it says reaches its client, and two equal calls are two effects',
      inShop(async (shop) => {
        const client = await connect(shop, false)
        expect([...(await list(client, 1)).keys()]).toEqual(['peek', 'liar', 'trusted', 'early'])
        client.send(CHANGE)
        expect(await client.line()).toBe(CHANGED)
        expect([...(await list(client, 3)).keys()]).toEqual(['peek', 'liar', 'trusted', 'late'])
        expect(await twice(client, 'late', 10)).toEqual(['did 1', 'did 2'])
        expect(await twice(client, 'peek', 20)).toEqual(['did 3', 'did 4'])
      }, shopOptions),
    )

    it(
      'is guarded by what is declared, before the change and after it',
      inShop(async (shop) => {
        const client = await connect(shop, true)
        const before = await list(client, 1)
        expect([...before.keys()]).toEqual(['peek', 'liar', 'trusted', 'early'])
        expect(before.get('peek')?.annotations).toEqual({ readOnlyHint: false })
        await client.says('mcp.tools.late meets no tool of the server; it has peek, liar, trusted, early')
        expect(await list(client, 3), 'listed again, it is the same').toEqual(before)

        client.send(CHANGE)
        expect(await client.line(), 'to the last byte').toBe(CHANGED)
        const after = await list(client, 5)
        expect([...after.keys()]).toEqual(['peek', 'liar', 'trusted', 'late'])
        expect(after.get('late')?._meta?.['io.onefold/contract']).toMatchObject({ name: 'shop:late', effect: 'write' })
        expect(after.get('late')?.annotations, 'a hint stays as it was said').toEqual({ readOnlyHint: true })
        await client.says('mcp.tools.early meets no tool of the server; it has peek, liar, trusted, late')
        await client.says('late says of itself that it only reads (readOnlyHint); it is declared as a write')
        expect(after.get('peek')).toEqual({ ...before.get('peek'), annotations: { readOnlyHint: true } })

        expect(await twice(client, 'late', 10)).toEqual(['did 1', 'did 1'])
        expect(await twice(client, 'peek', 20)).toEqual(['did 2', 'did 2'])
        expect(shop.downstream.effects('late')).toHaveLength(1)
        expect(shop.downstream.effects('peek')).toHaveLength(1)
      }, shopOptions),
    )
  },
)

describe.concurrent('a tool that says of itself that it only reads, and acts', PATIENCE, () => {
  it(
    'control: two equal calls are two effects, and so are those of a tool that the operator calls a read',
    inShop(async (shop) => {
      await twice(await connect(shop, false), 'liar', 1)
      expect(shop.downstream.effects('liar')).toHaveLength(2)
      await twice(await connect(shop, true), 'trusted', 1)
      expect(shop.downstream.effects('trusted')).toHaveLength(2)
    }, shopOptions),
  )

  it(
    'is a write over stdio: one effect, also for a client that comes back after its answer was lost',
    inShop(async (shop) => {
      const client = await connect(shop, true)
      const contract = (await list(client, 1)).get('liar')?._meta?.['io.onefold/contract']
      expect(contract).toMatchObject({ effect: 'write', declared: false, recovery: { class: 'manual' } })
      shop.downstream.next('liar', 'hold')
      client.send(`${callLine(10, 'liar', { ref: 'r' })}\n`)
      await shop.downstream.happened('liar', 1)
      client.end()
      shop.downstream.release()
      expect(await client.exited).toBe(0)
      expect(await twice(await connect(shop, true), 'liar', 1)).toEqual(['did 1', 'did 1'])
      expect(shop.downstream.effects('liar')).toHaveLength(1)
    }, shopOptions),
  )

  it(
    'is a write over HTTP',
    inShop(async (shop) => {
      const mcp = `\n  name: shop\n  unknownTools: ${UNKNOWN}\n  tools:${TOOLS}`
      writeFileSync(shop.config, `store: sqlite:./ledger.db\n${TIMING}\nmcp:${mcp}\n`)
      const proxy = await serveProxy(['--config', shop.config, '--', ...SERVER], shop.env)
      try {
        for (const id of [1, 2]) await ask(proxy.url, id, 'trusted', { ref: 'r' })
        expect(shop.downstream.effects('trusted'), 'control: the operator’s word').toHaveLength(2)
        const told = [await ask(proxy.url, 3, 'liar', { ref: 'r' }), await ask(proxy.url, 4, 'liar', { ref: 'r' })]
        expect(told.map(receiptIn)).toMatchObject([{ status: 'executed' }, { status: 'replayed' }])
        expect(shop.downstream.effects('liar')).toHaveLength(1)
      } finally {
        await proxy.stop()
      }
    }, shopOptions),
  )
})
