import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ENVIRONMENT, receiptOf } from './fixtures/harness.ts'
import { startWebServices, type WebServices } from './fixtures/web-services.ts'

const folder = mkdtempSync(join(tmpdir(), 'onefold-well-known-'))
const servers = fileURLToPath(new URL('./servers', import.meta.url))
const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
const contract = (name: string): string => join(servers, 'contracts', `${name}.yaml`)
const own = (file: string): string => join(servers, 'node_modules', file)
const shared = (file: string): string => fileURLToPath(new URL(`../../node_modules/${file}`, import.meta.url))

/** The servers have a lock of their own: they are installed where they are not, and once. */
function installed(): string | undefined {
  const lock = readFileSync(join(servers, 'package-lock.json'), 'utf8')
  const mark = join(servers, 'node_modules', '.installed')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return undefined
  const ran = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd: servers,
    encoding: 'utf8',
    timeout: 240_000,
  })
  if (ran.status !== 0) return ran.stderr.trim().split('\n').at(-1) ?? 'npm ci failed'
  writeFileSync(mark, lock)
  return undefined
}

const absent = installed()
if (absent !== undefined) {
  if (process.env['REQUIRE_SERVERS'] === '1')
    throw new Error(`the well-known MCP servers cannot be installed: ${absent}`)
  process.stderr.write(`absent: the well-known MCP servers of test/mcp/servers (${absent}); their tests are skipped\n`)
}

let services: WebServices
beforeAll(async () => {
  services = await startWebServices()
})
afterAll(async () => {
  await services.close()
  rmSync(folder, { recursive: true, force: true })
})

interface WellKnown {
  readonly name: string
  readonly command: readonly string[]
  readonly env: () => Record<string, string>
  readonly tool: string
  /** How often its own HTTP client sends one write whose answer is lost: Todoist's repeats it, without a key. */
  readonly sends: number
  readonly given: Readonly<Record<string, unknown>>
  /** The same wish in other words, where the contract knows that it is the same. */
  readonly reworded?: Readonly<Record<string, unknown>>
}

const WEB: readonly WellKnown[] = [
  {
    name: 'gitlab',
    command: [process.execPath, own('@modelcontextprotocol/server-gitlab/dist/index.js')],
    env: () => ({ GITLAB_PERSONAL_ACCESS_TOKEN: 'token', GITLAB_API_URL: services.url }),
    tool: 'create_issue',
    sends: 1,
    given: { project_id: 'shop', title: 'Till is broken', description: 'It does not open.' },
    reworded: { project_id: 'shop', title: 'Till is broken', description: 'It will not open!' },
  },
  {
    name: 'notion',
    command: [process.execPath, own('@notionhq/notion-mcp-server/bin/cli.mjs')],
    env: () => ({ NOTION_TOKEN: 'token', BASE_URL: services.url }),
    tool: 'API-create-a-comment',
    sends: 1,
    given: { parent: { page_id: 'page' }, rich_text: [{ text: { content: 'done' } }] },
  },
  {
    name: 'todoist',
    command: [process.execPath, own('@doist/todoist-mcp/dist/main.js')],
    env: () => ({ TODOIST_API_KEY: 'token', TODOIST_BASE_URL: services.url }),
    tool: 'add-tasks',
    sends: 4,
    given: { tasks: [{ content: 'buy milk' }] },
  },
]

async function connect(
  { name, command, env }: Pick<WellKnown, 'name' | 'command' | 'env'>,
  protect: boolean,
  ledger = name,
) {
  const client = new Client({ name: 'tester', version: '1' })
  const store = `sqlite:${join(folder, `${ledger}.db`)}`
  const [first = '', ...args] = protect
    ? [process.execPath, bin, 'mcp', '--config', contract(name), '--store', store, '--', ...command]
    : command
  const environment = { ...ENVIRONMENT, ...env(), NODE_OPTIONS: '' }
  await client.connect(
    new StdioClientTransport({ command: first, args, env: environment, cwd: folder, stderr: 'ignore' }),
  )
  return client
}

/** What an agent sees of a call, whatever the server made of it. */
async function ask(
  client: Client,
  name: string,
  given: Readonly<Record<string, unknown>>,
): Promise<CallToolResult | string> {
  try {
    return (await client.callTool({ name, arguments: { ...given } })) as CallToolResult
  } catch (error) {
    return String(error)
  }
}

const failed = (answer: CallToolResult | string): boolean =>
  typeof answer === 'string' || JSON.stringify(answer).match(/error|failed/i) !== null

describe.skipIf(absent !== undefined).each(WEB)('$name', { timeout: 120_000 }, (server) => {
  const created = (): number => services.created.length

  it('control: an agent that asks again after a lost answer creates it twice', async () => {
    const client = await connect(server, false)
    const before = created()
    services.lose(true)
    expect(failed(await ask(client, server.tool, server.given))).toBe(true)
    services.lose(false)
    expect(created() - before).toBe(server.sends)
    await ask(client, server.tool, server.given)
    expect(created() - before).toBe(server.sends + 1)
    await client.close()
  })

  it('behind the proxy the answer is the same, and a repeat is the first answer', async () => {
    const [straight, through] = [await connect(server, false), await connect(server, true)]
    const names = async (client: Client): Promise<readonly string[]> =>
      (await client.listTools()).tools.map(({ name }) => name)
    expect(await names(through)).toEqual(await names(straight))
    const before = created()
    const first = await ask(through, server.tool, server.given)
    expect(failed(first), JSON.stringify(first)).toBe(false)
    const again = (await ask(through, server.tool, server.reworded ?? server.given)) as CallToolResult
    expect(again.content).toEqual((first as CallToolResult).content)
    expect(receiptOf(again)).toMatchObject({ status: 'replayed' })
    expect(created() - before).toBe(1)
    await Promise.all([straight.close(), through.close()])
  })

  it('behind the proxy an agent that asks again after a lost answer is told the truth, and nothing is created by it', async () => {
    const client = await connect(server, true, `${server.name}-lost`)
    const before = created()
    services.lose(true)
    expect(failed(await ask(client, server.tool, server.given))).toBe(true)
    services.lose(false)
    const again = (await ask(client, server.tool, server.reworded ?? server.given)) as CallToolResult
    expect(JSON.stringify(again.content)).toContain('Do not call it again')
    expect(created() - before, 'no more than the server itself sends inside one call').toBe(server.sends)
    await client.close()
  })
})

describe('the contracts of docs/guides/mcp.md', { timeout: 120_000 }, () => {
  const files = join(folder, 'files')
  mkdirSync(files)
  const local: readonly Pick<WellKnown, 'name' | 'command' | 'env'>[] = [
    {
      name: 'filesystem',
      command: [process.execPath, shared('@modelcontextprotocol/server-filesystem/dist/index.js'), files],
      env: () => ({}),
    },
    {
      name: 'memory',
      command: [process.execPath, shared('@modelcontextprotocol/server-memory/dist/index.js')],
      env: () => ({ MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }),
    },
  ]

  it.each(absent === undefined ? [...local, ...WEB] : local)(
    '$name: every tool and argument that it names is there',
    ({ name, command, env }) => {
      const ran = spawnSync(
        process.execPath,
        [bin, 'mcp', '--dry-run', '--json', '--config', contract(name), '--', ...command],
        {
          encoding: 'utf8',
          timeout: 60_000,
          cwd: folder,
          env: { ...process.env, ...env(), NODE_OPTIONS: '' },
        },
      )
      const { tools } = JSON.parse(ran.stdout) as { tools: { tool: string; handling: string; warnings: string[] }[] }
      const declared = tools.filter(({ handling }) => handling === 'protected')
      expect(declared.length).toBeGreaterThanOrEqual(2)
      // Only the names of these two say that they write; the contracts know better.
      const known = ['open_nodes', 'API-post-search']
      const wrong = tools.filter(
        ({ tool, warnings }) => !known.includes(tool) && warnings.some((one) => !one.includes('seems to read')),
      )
      expect(wrong).toEqual([])
    },
  )

  it('filesystem: a directory is made once, and a text may be written, changed, and written again', async () => {
    const client = await connect(local[0] as WellKnown, true)
    const path = join(files, 'note.txt')
    for (const content of ['first', 'second', 'first']) await ask(client, 'write_file', { path, content })
    expect(readFileSync(path, 'utf8')).toBe('first')
    await ask(client, 'create_directory', { path: join(files, 'made') })
    const again = (await ask(client, 'create_directory', { path: join(files, 'made') })) as CallToolResult
    expect(receiptOf(again)).toMatchObject({ status: 'replayed' })
    await client.close()
  })

  it('memory: entities are created once', async () => {
    const client = await connect(local[1] as WellKnown, true)
    const given = { entities: [{ name: 'Ada', entityType: 'person', observations: ['wrote the first program'] }] }
    const first = (await ask(client, 'create_entities', given)) as CallToolResult
    const again = (await ask(client, 'create_entities', given)) as CallToolResult
    expect(again.structuredContent).toEqual(first.structuredContent)
    expect(readFileSync(join(folder, 'memory.jsonl'), 'utf8').match(/"Ada"/g)).toHaveLength(1)
    await client.close()
  })
})
