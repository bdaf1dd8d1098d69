import { describe, expect, it } from 'vitest'
import type { ProbeAnswer, ProbeContext } from '../../contract/index.ts'
import type { DeclaredProbe } from './declared.ts'
import { askProbe } from './probe.ts'
import { callsOver } from './own-calls.ts'
import type { Upstream, UpstreamAnswer } from './upstream.ts'

const context: ProbeContext = {
  key: 'of1_key',
  attempt: 1,
  signal: new AbortController().signal,
  downstreamKey: () => 'uuid',
}
const probe: DeclaredProbe = {
  tool: 'find',
  arguments: { user: '$identity.user.id', also: ['$input.date', 1, '$$5'], key: '$key' },
  found: 'structuredContent.booking.id',
}
const input = { user: { id: 9223372036854775807n }, date: 'today' }

/** A probe of a server that answers this; `sent` is the message that it got. */
async function ask(
  answer: unknown,
  options: { probe?: DeclaredProbe; input?: unknown; kind?: UpstreamAnswer['kind']; working?: boolean } = {},
): Promise<{ told: ProbeAnswer<unknown>; sent: string }> {
  let sent = ''
  const upstream: Pick<Upstream, 'request' | 'isWorkingOn'> = {
    request: async (build) => {
      sent = build('"id"')
      return { kind: options.kind ?? 'result', json: typeof answer === 'string' ? answer : JSON.stringify(answer) }
    },
    isWorkingOn: (operation) => options.working === true && operation === context.key,
  }
  const told = await askProbe(
    callsOver(upstream, () => undefined),
    options.probe ?? probe,
    options.input ?? input,
    context,
  )
  return { told, sent }
}

describe('askProbe', () => {
  it('fills references in, 64-bit integers too', async () => {
    const { sent } = await ask({ structuredContent: {} })
    expect(sent).toContain('"arguments":{"also":["today",1,"$5"],"key":"uuid","user":9223372036854775807}')
    expect(sent).toContain('"name":"find"')
  })

  it.each(['', null])('asks for nothing with %j', async (date) => {
    const { told, sent } = await ask({ structuredContent: { booking: { id: 1 } } }, { input: { ...input, date } })
    expect(told).toEqual({ found: 'unknown', why: 'the operation has no value for an argument of the probe' })
    expect(sent).toBe('')
  })

  it('something at the path is found, with the whole answer as its result', async () => {
    const json = '{"structuredContent":{"booking":{"id":1.0}}}'
    expect((await ask(json)).told).toEqual({ found: true, value: { mcpResult: json } })
    expect((await ask({ structuredContent: { booking: { id: 0 } } })).told.found).toBe(true)
  })

  it('nothing, or null, at the path is not found', async () => {
    expect((await ask({ structuredContent: { booking: null } })).told).toEqual({ found: false })
    expect((await ask({ structuredContent: {} })).told).toEqual({ found: false })
  })

  it('is unknown while the server still works on the call', async () => {
    expect((await ask({ structuredContent: {} }, { working: true })).told.found).toBe('unknown')
  })

  it('an answer of another form, and an error, say nothing', async () => {
    expect((await ask({ content: [] })).told.found).toBe('unknown')
    expect((await ask({ structuredContent: { booking: { id: 1 } }, isError: true })).told.found).toBe('unknown')
    expect((await ask({ code: -32000 }, { kind: 'error' })).told.found).toBe('unknown')
  })

  it('does not ask when the operation lacks what the question needs', async () => {
    const { told, sent } = await ask({ structuredContent: {} }, { input: { date: 'today' } })
    expect(told.found).toBe('unknown')
    expect(sent).toBe('')
  })

  it('enters text that holds JSON', async () => {
    const inText = { ...probe, found: 'content.0.text.booking.id' }
    const answer = (text: string): unknown => ({ content: [{ type: 'text', text }] })
    expect((await ask(answer('{"booking":{"id":7}}'), { probe: inText })).told.found).toBe(true)
    expect((await ask(answer('{"booking":null}'), { probe: inText })).told.found).toBe(false)
    expect((await ask(answer('service unavailable'), { probe: inText })).told.found).toBe('unknown')
  })
})
