import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/index.ts'
import { auditTools, starterConfig, type ListedTool } from '../../src/mcp/index.ts'
import { PROGRAMS } from './fixtures/harness.ts'

const bin = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'onefold-tools-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const suspicious = (...flags: readonly string[]): readonly string[] => [
  process.execPath,
  '-C',
  'onefold-source',
  fileURLToPath(new URL('./fixtures/suspicious-main.ts', import.meta.url)),
  ...flags,
]
const npm = (name: string, ...args: readonly string[]): readonly string[] => [
  process.execPath,
  fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url)),
  ...args,
]

function onefold(...args: readonly string[]) {
  const { NODE_OPTIONS: _options, ...env } = process.env
  return spawnSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
    input: '',
    env: { ...env, NO_COLOR: '1', XDG_STATE_HOME: join(folder, 'state'), HOME: folder },
  })
}

interface Audit {
  readonly ok: boolean
  readonly findings: readonly { readonly tool: string; readonly rule: string; readonly found: string }[]
}

describe('onefold audit tools', { timeout: 60_000 }, () => {
  it.each(['', '--modern'])('finds every kind of trap in a tool list (%s), and exits 1', (era) => {
    const ran = onefold('audit', 'tools', '--json', '--', ...suspicious(era))
    const { ok, findings } = JSON.parse(ran.stdout) as Audit
    expect([ran.status, ok]).toEqual([1, false])
    expect(findings.map(({ tool, rule }) => `${tool} ${rule}`)).toEqual([
      'restart no-identity',
      'transfer model-visible-key',
      'transfer fresh-key',
      'transfer fresh-key',
      'delete_order contradicting-annotation',
      'delete_order contradicting-annotation',
    ])
    expect(findings[2]?.found).toContain('Generate a new UUID for every request')
  })

  it('says nothing where a name does not tell', () => {
    const listed = (name: string, annotations: object): ListedTool => ({
      name,
      annotations,
      inputSchema: { properties: { path: {}, id: {} } },
    })
    const rules = (tool: ListedTool): readonly string[] =>
      auditTools([tool]).map(({ rule, found }) => `${rule} ${found}`)
    for (const name of ['open_nodes', 'order_history', 'run_query', 'create_embedding', 'share_price', 'book_search']) {
      expect(rules(listed(name, { readOnlyHint: true }))).toEqual([])
      expect(rules({ name, annotations: { readOnlyHint: true } })).toEqual([])
    }
    for (const name of ['create_directory', 'add_tag', 'insert_row', 'upload_file', 'book_seat'])
      expect(rules(listed(name, { idempotentHint: true, readOnlyHint: false }))).toEqual([])
    for (const name of ['remove_background', 'reset_view', 'clear_filters'])
      expect(rules(listed(name, { destructiveHint: false }))).toEqual([])
    expect(rules(listed('delete_order', { readOnlyHint: true }))).toEqual([expect.stringContaining('“delete”')])
    expect(rules(listed('append_line', { idempotentHint: true }))).toEqual([expect.stringContaining('“append”')])
  })

  const told = (name: string, fields: Record<string, object>, more: object = {}): readonly string[] =>
    auditTools([{ name, inputSchema: { properties: fields }, ...more }]).map(({ rule }) => rule)

  it('takes no argument for a key that names what the call is about', () => {
    for (const name of ['pay_request', 'approve_request', 'get_request'])
      expect(told(name, { request_id: { type: 'string', description: 'The unique ID of the request' } })).toEqual([])
    expect(told('send_transaction', { to: {}, nonce: { type: 'integer', description: 'never retried' } })).toEqual([])
    for (const key of ['idempotency_key', 'x-idempotency-key', 'clientToken', 'message_deduplication_id'])
      expect(told('send_mail', { to: {}, [key]: {} })).toEqual(['model-visible-key'])
    expect(told('send_mail', { to: {}, request_id: { description: 'Makes retries safe' } })).toEqual([
      'model-visible-key',
    ])
  })

  it('looks into the one object that holds all arguments, and for keys into the objects beside others', () => {
    const order = {
      type: 'object',
      properties: { cart_id: {}, idempotency_key: { description: 'a new UUID per call' } },
    }
    const wrapped: readonly NonNullable<ListedTool['inputSchema']>[] = [
      { properties: { params: order } },
      { properties: { params: { $ref: '#/$defs/Order' } }, $defs: { Order: order } },
    ]
    for (const inputSchema of wrapped) {
      const tool: ListedTool = { name: 'create_order', inputSchema }
      expect(auditTools([tool]).map(({ rule }) => rule)).toEqual(['model-visible-key', 'fresh-key'])
      const path = join(folder, 'wrapped.yaml')
      writeFileSync(path, starterConfig('shop', [tool]))
      expect(loadConfig(path).mcp.tools.get('create_order')).toMatchObject({ ignore: ['params.idempotency_key'] })
    }
    const meta = { properties: { 'idempotency-key': {} } }
    expect(told('create_order', { cart_id: {}, meta })).toEqual(['model-visible-key'])
    const loop = { properties: { again: { $ref: '#/$defs/Loop' } } }
    expect(
      auditTools([{ name: 'create', inputSchema: { ...loop, $defs: { Loop: loop } } }]).map(({ rule }) => rule),
    ).toEqual(['no-identity'])
  })

  it.each([
    'The unique ID of the pull request.',
    'Unique ID for the customer to refund',
    'Creates a ticket. A unique id is generated for each ticket and returned',
    'Each call returns a new page token',
    'Generates a new API key for the project',
    'Do not generate a new key for each retry',
    'Reuse the same unique key for every retry of one operation',
    'The unique key of a time entry, one per time zone',
  ])('blames no text that asks for no fresh key: %s', (text) => {
    expect(told('refund_order', { order_id: { description: text } }, { description: text })).toEqual([])
    expect(told('refund_order', { order_id: {}, idempotency_key: { description: text } })).toEqual([
      'model-visible-key',
    ])
  })

  it('takes the key of an API for none of a call', () => {
    const text = 'Pass your unique API key with each request'
    expect(told('refund_order', { order_id: {}, api_key: { description: text } }, { description: text })).toEqual([])
  })

  it.each([
    'A V4 UUID generated for every request',
    'Each request must have a unique idempotency key.',
    'Set to uuid4() on each invocation',
    'Never reuse it: make a new idempotency key for this call',
    'The key should be unique per request',
  ])('finds the text that asks for a fresh key: %s', (text) => {
    expect(told('refund_order', { order_id: {} }, { description: text })).toEqual(['fresh-key'])
    expect(told('refund_order', { order_id: {}, idempotency_key: { description: text } })).toContain('fresh-key')
  })

  it('a contract is an identity', () => {
    const ran = onefold('audit', 'tools', '--json', '--', ...suspicious('--protect'))
    const { findings } = JSON.parse(ran.stdout) as Audit
    expect(findings.map(({ rule }) => rule)).not.toContain('no-identity')
  })

  it('tells people, and says what to do', () => {
    const ran = onefold('audit', 'tools', '--', ...suspicious())
    expect(ran.stdout).toContain('fix: take it out of what the model sees')
    expect(ran.stdout).toMatch(/6 findings in 6 tools of suspicious/)
  })

  it('takes a list that no schema would allow', () => {
    const answers = {
      initialize: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: null },
      'tools/list': {
        tools: [
          { name: 'create_order', inputSchema: { properties: { id: null }, required: {} }, annotations: null },
          { name: 'send_mail', inputSchema: { properties: 'to', required: 7 }, description: {} },
          null,
        ],
      },
    }
    const program = `
      const answers = ${JSON.stringify(answers)}
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method } = JSON.parse(line)
        if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method] }))
      })`
    const ran = onefold('audit', 'tools', '--json', '--', process.execPath, '-e', program)
    const { findings } = JSON.parse(ran.stdout) as Audit
    expect([ran.status, findings]).toMatchObject([1, [{ tool: 'send_mail', rule: 'no-identity' }]])
  })

  it('a command that is no MCP server is wrong use', () => {
    for (const command of [['no-such-command'], ['false'], ['echo', 'hello']]) {
      const ran = onefold('audit', 'tools', '--', ...command)
      expect([ran.status, ran.stdout]).toEqual([2, ''])
      expect(ran.stderr).toContain(`Cannot list the tools of ${command[0]}`)
      expect(ran.stderr).toContain('No tool was called')
    }
    expect(onefold('audit', 'tools').status).toBe(2)
    expect(onefold('audit', 'tools', '--jsno', '--', 'false').stderr).toContain('--json')
  })
})

describe('onefold init', { timeout: 60_000 }, () => {
  it('prints an entry for the client and a starter file that the loader takes', () => {
    for (const [at, server] of [suspicious(), npm('server-memory'), npm('server-filesystem', folder)].entries()) {
      const ran = onefold('init', '--json', '--', ...server)
      expect(ran.status).toBe(0)
      const { entry, config, file } = JSON.parse(ran.stdout) as {
        entry: { command: string; args: string[] }
        config: string
        file: string
      }
      expect(entry).toEqual({
        command: 'npx',
        args: ['-y', 'onefold', 'mcp', '--config', file, '--', ...server],
      })
      const path = join(folder, `starter-${at}.yaml`)
      writeFileSync(path, config)
      const { tools } = loadConfig(path).mcp
      expect(tools.size).toBeGreaterThan(0)
      // What it proposes in comments is taken as well.
      const uncommented = config.replaceAll(/^ {4}# (?=\S)/gm, '    ')
      writeFileSync(path, uncommented)
      expect(loadConfig(path).mcp.tools.size).toBeGreaterThanOrEqual(tools.size)
      for (const [name, tool] of tools)
        if (tool.effect === 'read') expect(name).toMatch(/^(read|list|get|search|find)_/)
    }
  })

  it('never calls a tool a read on one hint alone, and nothing automatic', () => {
    const { config } = JSON.parse(onefold('init', '--json', '--', ...suspicious()).stdout) as { config: string }
    const path = join(folder, 'guesses.yaml')
    writeFileSync(path, config)
    const { tools } = loadConfig(path).mcp
    // A state that is set may be wanted again: guarded as undeclared, and not replayed for a day.
    expect(tools.has('delete_order')).toBe(false)
    expect(config).toContain('# delete_order: { effect: write, identity: all, recovery: manual }')
    expect(tools.get('send mail: "now"')).toMatchObject({ identity: 'all', recovery: { class: 'manual' } })
    expect(tools.get('list_orders')).toEqual({ effect: 'read' })
    expect(tools.has('find_order')).toBe(false)
    expect(config).toContain('# find_order: { effect: read }')
    expect(tools.get('transfer')).toMatchObject({ ignore: ['idempotency_key'] })
    expect(config).toContain('if these name the operation: identity: [to, subject]')
  })

  it('lets everything identify that may name what is meant, and declares no write that its server calls a read', () => {
    const config = starterConfig('shop', [
      { name: 'pay_request', inputSchema: { properties: { request_id: { type: 'string' } } } },
      { name: 'order_history', annotations: { readOnlyHint: true } },
    ])
    const path = join(folder, 'requests.yaml')
    writeFileSync(path, config)
    const { tools } = loadConfig(path).mcp
    // Ignored, it made the payment of one request of that of another.
    const { ignore, identity } = tools.get('pay_request') as { ignore?: readonly string[]; identity?: unknown }
    expect([identity, ignore ?? []]).toEqual(['all', []])
    // A read that was declared a write was answered from yesterday.
    expect(Array.from(tools.keys())).toEqual(['pay_request'])
    expect(config).toContain('# order_history: { effect: read }')
  })

  it('shows names as they are: no control, no mark of direction, nothing without width', () => {
    const name = 'send_\u001b[2J\u009b31m\u202eegassem\u200b\u{e0041}発送'
    const config = starterConfig('shop', [{ name, inputSchema: { properties: { [name]: {}, to: {} } } }])
    expect(config.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(config).toContain('発送')
    const path = join(folder, 'hostile.yaml')
    writeFileSync(path, config)
    expect(Array.from(loadConfig(path).mcp.tools.keys())).toEqual([name])
  })

  it('writes the file where it is told, and never over one', () => {
    const once = onefold('init', '--write', 'written.yaml', '--', ...npm('server-memory'))
    expect(once.status).toBe(0)
    expect(once.stdout).toContain('"mcpServers"')
    const text = readFileSync(join(folder, 'written.yaml'), 'utf8')
    expect(loadConfig(join(folder, 'written.yaml')).mcp.tools.size).toBeGreaterThan(3)
    const again = onefold('init', '--write', 'written.yaml', '--', ...npm('server-memory'))
    expect([again.status, readFileSync(join(folder, 'written.yaml'), 'utf8')]).toEqual([2, text])
    expect(again.stderr).toContain('already there')
  })
})

describe('onefold mcp --dry-run', { timeout: 60_000 }, () => {
  interface DryRun {
    readonly tools: readonly {
      readonly tool: string
      readonly handling: string
      readonly warnings: readonly string[]
    }[]
  }

  it('says what would be protected and why, and opens no ledger', () => {
    writeFileSync(
      join(folder, 'dry.yaml'),
      `store: sqlite:./dry.db
mcp:
  unknownTools: { mode: open }
  tools:
    send_message: { effect: write, identity: [to, subjct], recovery: manual }
    charge: { effect: read }
    list_messages: { effect: read }
    send_mesage: { effect: write, identity: all, recovery: manual }
`,
    )
    const ran = onefold('mcp', '--dry-run', '--json', '--config', 'dry.yaml', '--', process.execPath, PROGRAMS.server)
    expect(ran.status).toBe(1)
    const { tools } = JSON.parse(ran.stdout) as DryRun
    const of = (name: string) => tools.find(({ tool }) => tool === name)
    expect(of('send_message')).toMatchObject({
      handling: 'protected',
      warnings: [expect.stringContaining('names subjct')],
    })
    expect(of('charge')?.warnings).toEqual(['it is declared as a read, and its name says “charge”'])
    expect(of('create_order')).toMatchObject({ handling: 'unprotected' })
    expect(of('list_messages')).toMatchObject({ handling: 'passes', warnings: [] })
    expect(of('send_mesage')?.warnings).toEqual([
      'mcp.tools.send_mesage meets no tool: a misspelt name protects nothing',
    ])
    expect(existsSync(join(folder, 'dry.db'))).toBe(false)
  })

  it('without a configuration everything is guarded', () => {
    const ran = onefold('mcp', '--dry-run', '--', ...npm('server-memory'))
    expect(ran.stdout).toMatch(/guarded {2}create_entities {2,}it is not declared: all its arguments identify/)
    expect(onefold('mcp', '--json', '--', 'false').stdout).toContain('--json goes with --dry-run')
  })
})
