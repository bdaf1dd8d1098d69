import { afterEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, type ToolContext } from '../../src/contract/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { testGuard } from '../support/guard.ts'

let guard: Guard
afterEach(() => guard.close())

describe('a re-send under the same key', () => {
  /** Sends its input as JSON; the first answer is lost. */
  const sender = (sent: string[]) => (input: object, context: ToolContext) => {
    context.checkpoint()
    sent.push(`${context.downstreamKey()} ${JSON.stringify(input)}`)
    if (sent.length === 1) throw Object.assign(new Error('lost'), { code: 'ECONNRESET' })
    return 'done'
  }
  const input = z.object({ zip: z.string(), id: z.string(), note: z.string().optional() })

  it('has the same bytes, also where the tool writes its input as it comes', async () => {
    guard = testGuard()
    const sent: string[] = []
    const common = { input, effect: 'write', identity: ['id'], recovery: keyed('24h') } as const
    const order = guard.tool({ name: 'order', ...common, execute: sender(sent) })
    expect(await order({ note: 'n', zip: '1', id: 'a' }, { onDoubt: 'wait' })).toBe('done')
    expect(sent).toHaveLength(2)
    expect(sent[1]).toBe(sent[0])
  })

  it('has what prepare left in its input, also where it returned nothing', async () => {
    guard = testGuard()
    const sent: string[] = []
    const order = guard.tool({
      name: 'order',
      input,
      effect: 'write',
      identity: ['id'],
      recovery: keyed('24h'),
      prepare: (given) => {
        given.note = 'prepared'
      },
      execute: sender(sent),
    })
    expect(await order({ zip: '1', id: 'a' }, { onDoubt: 'wait' })).toBe('done')
    expect(sent).toHaveLength(2)
    expect(sent[0]).toContain('prepared')
    expect(sent[1]).toBe(sent[0])
  })
})
