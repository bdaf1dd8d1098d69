import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { afterEach, describe, expect, it } from 'vitest'
import { openShop, receiptOf, type Session, type Shop, type ShopOptions } from './fixtures/harness.ts'

const bin = (name: string): string => fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url))

let shop: Shop
afterEach(async () => await shop.close())

const withoutMeta = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value ?? null, (name, inner: unknown) => (name === '_meta' ? undefined : inner)))

/** The same calls, straight and through the proxy, must give the same answers. */
async function compare(options: ShopOptions, calls: () => readonly (readonly [string, Record<string, unknown>])[], reset: () => void): Promise<void> {
  const seen: unknown[][] = []
  shop = await openShop(options)
  for (const protect of [false, true]) {
    reset()
    const session = await shop.connect(protect)
    const answers: unknown[] = [session.client.getServerCapabilities(), session.client.getServerVersion(), session.client.getInstructions()]
    answers.push(await session.client.listTools())
    for (const [name, given] of calls()) answers.push(await session.call(name, given).catch((error: unknown) => String(error)))
    seen.push(answers.map(withoutMeta))
    await session.kill()
  }
  const [straight, through] = seen
  expect(through).toEqual(straight)
}

/** Calls, and goes away before the answer: the server has acted, the client does not know. */
async function lostAnswer(session: Session, name: string, given: Record<string, unknown>, acted: () => boolean): Promise<void> {
  void session.call(name, given).catch(() => undefined)
  while (!acted()) await new Promise((resolve) => setTimeout(resolve, 2))
  await session.close()
}

describe('@modelcontextprotocol/server-memory', () => {
  const ada = { entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote the first program'] }] }
  const file = (): string => join(shop.folder, 'memory.jsonl')
  const text = (): string => {
    try {
      return readFileSync(file(), 'utf8')
    } catch {
      return ''
    }
  }
  // The server takes a relative path as relative to itself.
  const sh = (): readonly string[] => ['/bin/sh', '-c', `MEMORY_FILE_PATH="$PWD/memory.jsonl" exec "$0" "$1"`, process.execPath, bin('server-memory')]

  it('behaves the same through the proxy', async () => {
    await compare(
      { server: sh(), tools: '\n    read_graph: { effect: read }\n    open_nodes: { effect: read }' },
      () => [
        ['create_entities', ada],
        ['add_observations', { observations: [{ entityName: 'Ada', contents: ['liked music'] }] }],
        ['add_observations', { observations: [{ entityName: 'nobody', contents: ['x'] }] }],
        ['read_graph', {}],
        ['open_nodes', { names: ['Ada'] }],
        ['create_entities', { entities: 'not a list' }],
        ['no_such_tool', {}],
      ],
      () => writeFileSync(file(), ''),
    )
  })

  it('[IN-7] a repeated create_entities after a lost answer replays', async () => {
    shop = await openShop({ server: sh(), tools: '\n    create_entities: { effect: write, identity: all, recovery: manual }' })
    await lostAnswer(await shop.connect(), 'create_entities', ada, () => text().includes('Ada'))
    const again = await (await shop.connect()).call('create_entities', ada)
    expect(receiptOf(again)).toMatchObject({ status: 'replayed', attempts: 1 })
    expect(again.structuredContent, 'the answer of the first call: it created one').toEqual({ entities: ada.entities })
    expect(text().match(/Ada/g)).toHaveLength(1)
  })

  it('control: without the proxy the repeat is told that it created nothing', async () => {
    shop = await openShop({ server: sh() })
    await lostAnswer(await shop.connect(false), 'create_entities', ada, () => text().includes('Ada'))
    const again = await (await shop.connect(false)).call('create_entities', ada)
    expect(again.structuredContent).toEqual({ entities: [] })
  })
})

describe('@modelcontextprotocol/server-filesystem', () => {
  const options = (): ShopOptions => ({
    server: ['/bin/sh', '-c', 'mkdir -p files; exec "$0" "$1" "$PWD/files"', process.execPath, bin('server-filesystem')],
    tools: `
    read_text_file: { effect: read }
    list_directory: { effect: read }
    write_file: { effect: write, identity: [path], recovery: manual }`,
  })
  const path = (name: string): string => join(shop.folder, 'files', name)

  it('behaves the same through the proxy', async () => {
    await compare(
      options(),
      () => [
        ['write_file', { path: path('a.txt'), content: 'hello' }],
        ['read_text_file', { path: path('a.txt') }],
        ['edit_file', { path: path('a.txt'), edits: [{ oldText: 'hello', newText: 'bye' }] }],
        ['list_directory', { path: path('') }],
        ['write_file', { path: '/etc/onefold-must-not', content: 'x' }],
        ['move_file', { source: path('none'), destination: path('other') }],
        ['write_file', { path: 7 }],
      ],
      () => mkdirSync(path(''), { recursive: true }),
    )
  })

  it('a repeated write_file after a lost answer replays: a later change by somebody else is not written over', async () => {
    shop = await openShop(options())
    const given = { path: path('note.txt'), content: 'first' }
    const there = (): boolean => {
      try {
        return readFileSync(path('note.txt'), 'utf8') === 'first'
      } catch {
        return false
      }
    }
    await lostAnswer(await shop.connect(), 'write_file', given, there)
    writeFileSync(path('note.txt'), 'changed by a person')
    const again: CallToolResult = await (await shop.connect()).call('write_file', given)
    expect(receiptOf(again)).toMatchObject({ status: 'replayed' })
    expect(readFileSync(path('note.txt'), 'utf8')).toBe('changed by a person')
  })

  it('control: without the proxy the repeat writes over it', async () => {
    shop = await openShop(options())
    const given = { path: path('note.txt'), content: 'first' }
    await (await shop.connect(false)).call('write_file', given)
    writeFileSync(path('note.txt'), 'changed by a person')
    await (await shop.connect(false)).call('write_file', given)
    expect(readFileSync(path('note.txt'), 'utf8')).toBe('first')
  })
})
