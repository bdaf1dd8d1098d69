import { randomUUID } from 'node:crypto'
import {
  composite,
  idempotent,
  keyed,
  manual,
  probe,
  type ProbeAnswer,
  type StandardSchemaV1,
  type ToolContext,
  type WriteOptions,
} from '../../src/contract/index.ts'
import type { Guard, ProtectedTool } from '../../src/engine/index.ts'
import { KINDS, type Kind, type Work } from './task.ts'

export interface Input {
  readonly ref: string
}

export interface Answer {
  readonly id: string
  readonly ref: string
}

export type Tool = ProtectedTool<Input, Answer>

/** Accepts what it is given: a schema library would cost every process 30 ms. */
const input: StandardSchemaV1<Input, Input> = {
  '~standard': { version: 1, vendor: 'crash', validate: (value) => ({ value: value as Input }) },
}

type Execute = (input: Input, context: ToolContext) => Promise<Answer>

/** Every tool of the run, each in a form with and one without a prepare phase, on one guard. */
export function crashTools(guard: Guard, url: string): (work: Work) => Tool {
  const tools = new Map<string, Tool>()
  const at = (ref: string): string => `${url}/effects/${encodeURIComponent(ref)}`

  /** The downstream honours our key. */
  const sendKeyed: Execute = async ({ ref }, context) =>
    await answerOf(await context.fetch(at(ref), { method: 'POST', body: '{}' }))

  /** A key of its own for every request: as good as a downstream that knows none. */
  const sendUnkeyed: Execute = async ({ ref }, context) =>
    await answerOf(
      await context.fetch(at(ref), { method: 'POST', body: '{}', headers: { 'idempotency-key': randomUUID() } }),
    )

  /** Past the engine: no key, no deadline check. */
  const sendUnchecked: Execute = async ({ ref }, context) =>
    await answerOf(
      await fetch(at(ref), { method: 'POST', body: '{}', headers: { 'onefold-run': context.run?.id ?? 'recovery' } }),
    )

  const put: Execute = async ({ ref }, context) =>
    await answerOf(await context.fetch(at(ref), { method: 'PUT', body: '{}' }))

  const ask = async ({ ref }: Input): Promise<ProbeAnswer<Answer>> => {
    const response = await fetch(at(ref))
    if (response.status === 404) return { found: false }
    return response.ok ? { found: true, value: (await response.json()) as Answer } : { found: 'unknown' }
  }

  const inParts: Execute = async ({ ref }) => {
    const first = await toolFor('keyed', false)({ ref: `${ref}.a` })
    const second = await toolFor('probe', false)({ ref: `${ref}.b` })
    return { id: `${first.id}+${second.id}`, ref }
  }

  const forms: Record<Kind, Pick<WriteOptions<typeof input, Answer>, 'recovery' | 'execute' | 'sends'>> = {
    keyed: { recovery: keyed('10m'), execute: sendKeyed },
    // A window that closes within the run: first by sending again, later by asking.
    'keyed-probe': { recovery: keyed('1200ms', { probe: ask, settle: '20ms' }), execute: sendKeyed, sends: 'checked' },
    probe: { recovery: probe(ask, { settle: '20ms' }), execute: sendUnkeyed, sends: 'checked' },
    'probe-unchecked': { recovery: probe(ask, { settle: '20ms' }), execute: sendUnchecked },
    idempotent: {
      recovery: idempotent({ precondition: async (given) => (await ask(given)).found !== 'unknown' }),
      execute: put,
    },
    manual: { recovery: manual(), execute: sendUnkeyed },
    composite: { recovery: composite(), execute: inParts },
  }

  const toolFor = (kind: Kind, prepared: boolean): Tool => tools.get(nameOf(kind, prepared)) as Tool

  for (const kind of KINDS) {
    for (const prepared of [false, true]) {
      const tool = guard.tool({
        name: nameOf(kind, prepared),
        input,
        effect: 'write',
        identity: ['ref'],
        timeout: '3s',
        ...forms[kind],
        ...(prepared ? { prepare: async (given: Input) => await Promise.resolve(given) } : {}),
      } as WriteOptions<typeof input, Answer>)
      tools.set(nameOf(kind, prepared), tool)
    }
  }
  return ({ kind, prepared }) => toolFor(kind, prepared)
}

const nameOf = (kind: Kind, prepared: boolean): string => `${kind.replace('-', '_')}${prepared ? '_prepared' : ''}`

async function answerOf(response: Response): Promise<Answer> {
  if (!response.ok) throw Object.assign(new Error(`answered ${response.status}`), { status: response.status })
  return (await response.json()) as Answer
}
