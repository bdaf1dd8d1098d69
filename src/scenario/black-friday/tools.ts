import { keyed, probe, type Recovery, type StandardSchemaV1 } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import type { ToolName } from './model.ts'

export type ToolInput = Readonly<Record<string, string | number>>
/** The five tools of the agent, each over the inventory service. */
export type Tools = Readonly<Record<ToolName, (input: ToolInput) => Promise<unknown>>>

interface Declared {
  readonly path: string
  readonly identity: readonly [string, ...string[]]
  readonly ignore: readonly string[]
}

const TOOLS: Readonly<Record<ToolName, Declared>> = {
  reserve_inventory: { path: 'reserve', identity: ['order', 'sku'], ignore: ['note'] },
  release_inventory: { path: 'release', identity: ['order', 'sku'], ignore: ['note'] },
  update_order_status: { path: 'status', identity: ['order', 'status'], ignore: ['note'] },
  create_transfer_order: { path: 'transfer', identity: ['order'], ignore: ['transfer', 'note'] },
  send_mail: { path: 'mail', identity: ['order'], ignore: ['note'] },
}
const NAMES = Object.keys(TOOLS) as readonly ToolName[]

async function call(url: string, path: string, input: ToolInput, send: typeof fetch): Promise<unknown> {
  const answer = await send(`${url}/${path}`, { method: 'POST', body: JSON.stringify(input) })
  if (!answer.ok) throw Object.assign(new Error(`inventory answered ${answer.status}`), { status: answer.status })
  return await answer.json()
}

const toolsOf = (make: (name: ToolName) => (input: ToolInput) => Promise<unknown>): Tools =>
  Object.fromEntries(NAMES.map((name) => [name, make(name)])) as unknown as Tools

/** The tools as they are. */
export const bareTools = (url: string): Tools => toolsOf((name) => (input) => call(url, TOOLS[name].path, input, fetch))

/** The same tools, each with its contract: all that protects them. */
export function protectedTools(guard: Guard, url: string): Tools {
  return toolsOf((name) => {
    const { path, identity, ignore } = TOOLS[name]
    return guard.tool({
      name,
      effect: 'write',
      input: anyInput,
      identity,
      ignore: ignore as [],
      retention: '7d',
      sends: 'checked',
      recovery: path === 'mail' ? askForMail(url) : keyed('24h'),
      execute: (input, context) => call(url, path, input, context.fetch),
    })
  })
}

/** The mail service takes no keys, but can be asked. */
function askForMail(url: string): Recovery<ToolInput> {
  return probe(
    async ({ order }: ToolInput) => {
      const answer = await fetch(`${url}/mail/${order}`)
      return answer.ok ? { found: true as const, value: await answer.json() } : { found: false as const }
    },
    { settle: '100ms' },
  )
}

const anyInput: StandardSchemaV1<ToolInput> = {
  '~standard': { version: 1, vendor: 'onefold', validate: (value) => ({ value: value as ToolInput }) },
}
