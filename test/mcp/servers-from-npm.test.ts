import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, it } from 'vitest'
import { inShop, receiptOf, type Session, type Shop, type ShopOptions, PATIENCE } from './fixtures/harness.ts'

const bin = (name: string): string =>
  fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url))

const withoutMeta = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value ?? null, (name, inner: unknown) => (name === '_meta' ? undefined : inner)))

/** What the same calls are answered, straight and through the proxy. */
async function answersOf(
  shop: Shop,
  calls: () => readonly (readonly [string, Record<string, unknown>])[],
  reset: () => void,
): Promise<readonly unknown[]> {
  const seen: unknown[][] = []
  for (const protect of [false, true]) {
    reset()
    const session = await shop.connect(protect)
    const answers: unknown[] = [
      session.client.getServerCapabilities(),
      session.client.getServerVersion(),
      session.client.getInstructions(),
    ]
    answers.push(await session.client.listTools())
    for (const [name, given] of calls())
      answers.push(await session.call(name, given).catch((error: unknown) => String(error)))
    seen.push(answers.map(withoutMeta))
    await session.kill()
  }
  return seen
}

/** Calls, and goes away before the answer: the server has acted, the client does not know. */
async function lostAnswer(
  session: Session,
  name: string,
  given: Record<string, unknown>,
  acted: () => boolean,
): Promise<void> {
  void session.call(name, given).catch(() => undefined)
  while (!acted()) await new Promise((resolve) => setTimeout(resolve, 2))
  await session.close()
}

describe.concurrent('@modelcontextprotocol/server-memory', PATIENCE, () => {
  const ada = { entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote the first program'] }] }
  const file = (shop: Shop): string => join(shop.folder, 'memory.jsonl')
  const text = (shop: Shop): string => {
    try {
      return readFileSync(file(shop), 'utf8')
    } catch {
      return ''
    }
  }
  // The server takes a relative path as relative to itself.
  const sh = (): readonly string[] => [
    '/bin/sh',
    '-c',
    `MEMORY_FILE_PATH="$PWD/memory.jsonl" exec "$0" "$1"`,
    process.execPath,
    bin('server-memory'),
  ]

  it(
    'behaves the same through the proxy',
    inShop(
      async (shop) => {
        const [straight, through] = await answersOf(
          shop,
          () => [
            ['create_entities', ada],
            ['add_observations', { observations: [{ entityName: 'Ada', contents: ['liked music'] }] }],
            ['add_observations', { observations: [{ entityName: 'nobody', contents: ['x'] }] }],
            ['read_graph', {}],
            ['open_nodes', { names: ['Ada'] }],
            ['create_entities', { entities: 'not a list' }],
            ['no_such_tool', {}],
          ],
          () => writeFileSync(file(shop), ''),
        )
        expect(through).toEqual(straight)
      },
      { server: sh(), tools: '\n    read_graph: { effect: read }\n    open_nodes: { effect: read }' },
    ),
  )

  it(
    '[IN-7] a repeated create_entities after a lost answer replays',
    inShop(
      async (shop) => {
        await lostAnswer(await shop.connect(), 'create_entities', ada, () => text(shop).includes('Ada'))
        const again = await (await shop.connect()).call('create_entities', ada)
        expect(receiptOf(again)).toMatchObject({ status: 'replayed', attempts: 1 })
        expect(again.structuredContent, 'the answer of the first call: it created one').toEqual({
          entities: ada.entities,
        })
        expect(text(shop).match(/Ada/g)).toHaveLength(1)
      },
      { server: sh(), tools: '\n    create_entities: { effect: write, identity: all, recovery: manual }' },
    ),
  )

  it(
    'control: without the proxy the repeat is told that it created nothing',
    inShop(
      async (shop) => {
        await lostAnswer(await shop.connect(false), 'create_entities', ada, () => text(shop).includes('Ada'))
        const again = await (await shop.connect(false)).call('create_entities', ada)
        expect(again.structuredContent).toEqual({ entities: [] })
      },
      { server: sh() },
    ),
  )
})

describe.concurrent('@modelcontextprotocol/server-filesystem', PATIENCE, () => {
  const options = (): ShopOptions => ({
    server: [
      '/bin/sh',
      '-c',
      'mkdir -p files; exec "$0" "$1" "$PWD/files"',
      process.execPath,
      bin('server-filesystem'),
    ],
    tools: `
    read_text_file: { effect: read }
    list_directory: { effect: read }
    write_file: { effect: write, identity: [path], recovery: manual }`,
  })
  const path = (shop: Shop, name: string): string => join(shop.folder, 'files', name)

  it(
    'behaves the same through the proxy',
    inShop(async (shop) => {
      const [straight, through] = await answersOf(
        shop,
        () => [
          ['write_file', { path: path(shop, 'a.txt'), content: 'hello' }],
          ['read_text_file', { path: path(shop, 'a.txt') }],
          ['edit_file', { path: path(shop, 'a.txt'), edits: [{ oldText: 'hello', newText: 'bye' }] }],
          ['list_directory', { path: path(shop, '') }],
          ['write_file', { path: '/etc/onefold-must-not', content: 'x' }],
          ['move_file', { source: path(shop, 'none'), destination: path(shop, 'other') }],
          ['write_file', { path: 7 }],
        ],
        () => mkdirSync(path(shop, ''), { recursive: true }),
      )
      expect(through).toEqual(straight)
    }, options()),
  )

  it(
    'a repeated write_file after a lost answer replays: a later change by somebody else is not written over',
    inShop(async (shop) => {
      const given = { path: path(shop, 'note.txt'), content: 'first' }
      const there = (): boolean => {
        try {
          return readFileSync(path(shop, 'note.txt'), 'utf8') === 'first'
        } catch {
          return false
        }
      }
      await lostAnswer(await shop.connect(), 'write_file', given, there)
      writeFileSync(path(shop, 'note.txt'), 'changed by a person')
      const again: CallToolResult = await (await shop.connect()).call('write_file', given)
      expect(receiptOf(again)).toMatchObject({ status: 'replayed' })
      expect(readFileSync(path(shop, 'note.txt'), 'utf8')).toBe('changed by a person')
    }, options()),
  )

  it(
    'control: without the proxy the repeat writes over it',
    inShop(async (shop) => {
      const given = { path: path(shop, 'note.txt'), content: 'first' }
      await (await shop.connect(false)).call('write_file', given)
      writeFileSync(path(shop, 'note.txt'), 'changed by a person')
      await (await shop.connect(false)).call('write_file', given)
      expect(readFileSync(path(shop, 'note.txt'), 'utf8')).toBe('first')
    }, options()),
  )
})
