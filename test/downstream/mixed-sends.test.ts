import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import * as z from 'zod'
import { manual, type ToolContext, type WriteOptions } from '../../src/contract/index.ts'
import { downstreamFetch } from '../../src/downstream/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { callKey } from '../../src/mcp/client/call-key.ts'
import { testGuard } from '../support/guard.ts'
import { freePort } from '../support/servers/free-port.ts'
import { startService, type Service } from './fixtures/service.ts'

/*
 * Tools that send more than one request, or also by a client of their own: what became of one of them says nothing of
 * the others.
 */

const input = z.object({ n: z.number() })
let service: Service
let nowhere: string
let guard: Guard
/** Effects of the tool's own client. */
let charges = 0
beforeAll(async () => {
  service = await startService()
  nowhere = `http://127.0.0.1:${await freePort()}/`
})
afterAll(() => service.close())
beforeEach(() => (charges = 0))
afterEach(() => guard.close())

type Options = Partial<WriteOptions<typeof input, unknown>>
type Work = (context: ToolContext, id: string) => unknown

const post = { method: 'POST', body: '{}' } as const
const declined = { errors: [{ match: 402, effect: 'none' as const }] }

const charge = (context: ToolContext): void => {
  context.checkpoint()
  charges += 1
}
/** The same by a client that was given a key, and asked for nothing else. */
const chargeUnder = (context: ToolContext): void => {
  context.downstreamKey('stripe')
  charges += 1
}
const hungUp = (): Error => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })

/** Throws what clients throw for an answer that is no success. */
async function wanted(response: Response): Promise<void> {
  await response.text()
  if (!response.ok) throw Object.assign(new Error('not done'), { status: response.status })
}
const send = async (context: ToolContext, id: string, mode: string, init: RequestInit = post): Promise<void> =>
  await wanted(await context.fetch(`${service.url}/${id}/${mode}`, init))

/** Calls a tool twice, as an agent does after a failure: how it stands, and how often its effect happened. */
async function twice(name: string, work: Work, options: Options = {}) {
  const id = name.replaceAll(/\W/g, '-')
  guard = testGuard({ makeFetch: downstreamFetch(), settings: { leaseMs: 30_000, heartbeatMs: 10_000 } })
  const tool = guard.tool({
    name: 'pays',
    input,
    effect: 'write',
    identity: ['n'],
    recovery: manual(),
    execute: (_input, context) => work(context, id),
    ...options,
  })
  for (let calls = 0; calls < 2; calls += 1) await tool({ n: 1 }).catch(() => undefined)
  const [record] = (await guard.ledger.list({})).records
  return { state: record?.state, effects: charges + (await service.seen(id)).effects }
}

type Doubt = [name: string, work: Work, options?: Options]
const doubts: readonly Doubt[] = [
  [
    'a client of its own has sent, and a request was refused a connection',
    async (context) => {
      charge(context)
      await wanted(await context.fetch(nowhere, post))
    },
  ],
  [
    'the same of a tool that says that it checks all its sends',
    async (context) => {
      charge(context)
      await wanted(await context.fetch(nowhere, post))
    },
    { sends: 'checked' },
  ],
  [
    'a client of its own has sent, and a request was refused with 422',
    async (context, id) => {
      charge(context)
      await send(context, id, 'refuse:422')
    },
  ],
  [
    'a client of its own has sent, and a request was refused as the contract maps it',
    async (context, id) => {
      charge(context)
      await send(context, id, 'refuse:402')
    },
    declined,
  ],
  [
    'a client has sent under a key, and a request was refused a connection',
    async (context) => {
      chargeUnder(context)
      await wanted(await context.fetch(nowhere, post))
    },
  ],
  [
    'a client has sent under a key, and a request was refused with 422',
    async (context, id) => {
      chargeUnder(context)
      await send(context, id, 'refuse:422')
    },
  ],
  [
    'a client has sent under a key, and a read found nothing, which the contract maps',
    async (context, id) => {
      chargeUnder(context)
      await send(context, id, 'refuse:402', {})
    },
    declined,
  ],
  [
    'a client has sent under two keys, and only the second was refused',
    (context) => {
      chargeUnder(context)
      context.downstreamKey('stripe', 'transfer')
      throw Object.assign(new Error('declined'), { status: 402 })
    },
    declined,
  ],
  [
    'a client of its own has sent twice, and only the second was refused',
    (context) => {
      charge(context)
      context.checkpoint()
      throw Object.assign(new Error('declined'), { status: 402 })
    },
    declined,
  ],
  [
    'the answer to a request was lost, and its retry was refused as the contract maps it',
    async (context, id) => {
      await send(context, id, 'reset').catch(async () => await send(context, id, 'refuse:402'))
    },
    declined,
  ],
  [
    'an MCP client has sent, and a request was refused a connection',
    async (context) => {
      const { checkpoint } = callKey({ name: 'charge' })
      checkpoint()
      charges += 1
      await wanted(await context.fetch(nowhere, post))
    },
  ],
  [
    'one request was done, and another was refused as the contract maps it',
    async (context, id) => {
      await send(context, id, 'ok')
      await send(context, id, 'refuse:402')
    },
    declined,
  ],
  [
    'a request was done, and a read after it found nothing, which the contract maps',
    async (context, id) => {
      await send(context, id, 'ok')
      await send(context, id, 'refuse:402', {})
    },
    declined,
  ],
  [
    'the only request was refused with 422, and what failed is a client that was not checked',
    async (context, id) => {
      await send(context, id, 'refuse:422').catch(() => undefined)
      charges += 1
      throw new Error('not paid', { cause: hungUp() })
    },
  ],
  [
    'a read was refused with 422, and the tool does not say that it checks all its sends',
    async (context, id) => {
      charges += 1
      await send(context, id, 'refuse:422', {})
    },
  ],
]

it.each<Doubt>(doubts)('is in doubt, and runs no second time: %s', async (name, work, options) => {
  expect(await twice(name, work, options)).toEqual({ state: 'in-doubt', effects: 1 })
})

it.each([
  ['refused a connection', () => nowhere],
  ['refused with 422', () => `${service.url}/read/refuse:422`],
] as const)('what `prepare` read is no evidence for `execute`: it was %s', async (name, url) => {
  const prepare = async (_input: unknown, context: ToolContext): Promise<void> => {
    await context.fetch(url()).catch(() => undefined)
  }
  // Not even for one that sends by a client of its own, unchecked.
  const work = (): never => {
    charges += 1
    throw hungUp()
  }
  expect(await twice(name, work, { prepare })).toEqual({ state: 'in-doubt', effects: 1 })
})

type Closed = [state: string, name: string, work: Work, options?: Options]
const closed: readonly Closed[] = [
  [
    'released',
    'its request was refused a connection',
    async (context) => await wanted(await context.fetch(nowhere, post)),
  ],
  [
    'released',
    'its request has an address that is none',
    async (context) => await wanted(await context.fetch('undefined/refunds', post)),
  ],
  [
    'released',
    'its request has a body that was used before',
    async (context, id) => {
      const request = new Request(`${service.url}/${id}/ok`, post)
      await request.text()
      await wanted(await context.fetch(request))
    },
  ],
  ['rejected', 'its request was refused with 422', async (context, id) => await send(context, id, 'refuse:422')],
  [
    'rejected',
    'its own client’s send was refused as the contract maps it',
    (context) => {
      context.checkpoint()
      throw Object.assign(new Error('declined'), { status: 402 })
    },
    declined,
  ],
  [
    'rejected',
    'its client’s only send, under a key, was refused as the contract maps it',
    (context) => {
      context.downstreamKey('stripe')
      throw Object.assign(new Error('declined'), { status: 402 })
    },
    declined,
  ],
  [
    'rejected',
    'that client asked for a key before a read, and for leave right before its send',
    async (context, id) => {
      context.downstreamKey('stripe')
      await send(context, id, 'ok', {})
      context.checkpoint()
      throw Object.assign(new Error('declined'), { status: 402 })
    },
    declined,
  ],
  [
    'rejected',
    'that client asked for leave before it asked for its key',
    (context) => {
      context.checkpoint()
      context.downstreamKey('stripe')
      throw Object.assign(new Error('declined'), { status: 402 })
    },
    declined,
  ],
  [
    'released',
    'its request carries the key that it was given in a header, and was refused a connection',
    async (context) => {
      const headers = { 'idempotency-key': context.downstreamKey() }
      await wanted(await context.fetch(nowhere, { ...post, headers }))
    },
  ],
  [
    'rejected',
    'its request carries the key that it was given in its body, and was refused with 422',
    async (context, id) => {
      const body = JSON.stringify({ ref: context.downstreamKey() })
      await send(context, id, 'refuse:422', { ...post, body })
    },
  ],
  [
    'rejected',
    'it read, and its request was refused as the contract maps it',
    async (context, id) => {
      await send(context, id, 'ok', {})
      await send(context, id, 'refuse:402')
    },
    declined,
  ],
  [
    'rejected',
    'every request of it was refused',
    async (context, id) => {
      await send(context, id, 'refuse:429').catch(async () => await send(context, id, 'refuse:402'))
    },
    declined,
  ],
  [
    'rejected',
    'its read was refused with 422, and it checks all its sends',
    async (context, id) => await send(context, id, 'refuse:422', {}),
    { sends: 'checked' },
  ],
]

it.each<Closed>(closed)('is %s, and may run again, where %s', async (state, name, work, options) => {
  expect(await twice(name, work, options)).toEqual({ state, effects: 0 })
})
