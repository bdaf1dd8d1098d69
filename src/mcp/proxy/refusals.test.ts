import { describe, expect, it } from 'vitest'
import { AnsweredError } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import type { DeclaredError } from './declared.ts'
import { errorMappings } from './refusals.ts'
import { NotSent, UpstreamDied, type UpstreamAnswer } from './upstream.ts'

/** As the engine reads it: the first mapping that matches, on the answer where there is one. */
function effectOf(error: unknown, declared: readonly DeclaredError[] = []): string {
  const subject = error instanceof AnsweredError ? error.answer : error
  for (const { match, effect } of errorMappings('pay', declared))
    if (typeof match === 'function' && match(subject)) return effect
  return 'doubt'
}

const protocolError = (code: number, message: string): AnsweredError =>
  new AnsweredError('', { kind: 'error', json: JSON.stringify({ code, message }) } satisfies UpstreamAnswer)
const toolError = (text: string, structuredContent?: unknown): AnsweredError =>
  new AnsweredError('', {
    kind: 'result',
    json: JSON.stringify({ content: [{ type: 'text', text }, { type: 'image' }], structuredContent, isError: true }),
  } satisfies UpstreamAnswer)

describe('errorMappings', () => {
  it('what this process did not send did nothing', () => {
    expect(effectOf(new NotSent('x'))).toBe('none')
    expect(effectOf(new OnefoldError('CANCELLED', 'x', { effect: 'none' }))).toBe('none')
    expect(effectOf(new OnefoldError('CANCELLED', 'x', { effect: 'unknown' }))).toBe('doubt')
    expect(effectOf(new UpstreamDied('x'))).toBe('doubt')
  })

  it('a call that the server did not accept did nothing', () => {
    expect(effectOf(protocolError(-32601, 'Method not found'))).toBe('none')
    expect(effectOf(protocolError(-32602, 'Invalid arguments'))).toBe('none')
    expect(effectOf(protocolError(-32042, 'This request requires more information.'))).toBe('none')
    expect(effectOf(toolError('MCP error -32602: Input validation error: Invalid arguments for tool pay: x'))).toBe(
      'none',
    )
    expect(effectOf(toolError('MCP error -32602: Tool pay not found'))).toBe('none')
  })

  it('an output that does not fit its schema comes after the effect', () => {
    expect(
      effectOf(protocolError(-32602, 'Tool pay has an output schema but no structured content was provided')),
    ).toBe('doubt')
    expect(effectOf(protocolError(-32602, 'Invalid structured content for tool pay'))).toBe('doubt')
    expect(
      effectOf(toolError('MCP error -32602: Output validation error: Invalid structured content for tool pay')),
    ).toBe('doubt')
  })

  it('the refusal of another tool, asked by this one, proves nothing', () => {
    expect(effectOf(toolError('MCP error -32602: Input validation error: Invalid arguments for tool other: x'))).toBe(
      'doubt',
    )
    expect(effectOf(toolError('I asked and got: MCP error -32602: Tool pay not found'))).toBe('doubt')
  })

  it('any other error is in doubt, unless the operator says what it means', () => {
    const refused = toolError('connect ECONNREFUSED 127.0.0.1:1')
    expect(effectOf(refused)).toBe('doubt')
    expect(effectOf(refused, [{ match: 'ECONNREFUSED', effect: 'none' }])).toBe('none')
    expect(effectOf(protocolError(-32050, 'x'), [{ match: -32050, effect: 'done' }])).toBe('done')
    expect(effectOf(toolError('x', { code: 'card_declined' }), [{ match: 'card_declined', effect: 'none' }])).toBe(
      'none',
    )
    expect(effectOf(toolError('x', { code: 'card_declined' }), [{ match: 'insufficient', effect: 'none' }])).toBe(
      'doubt',
    )
  })

  it('the operator’s word stands before the protocol’s', () => {
    expect(effectOf(protocolError(-32602, 'Invalid arguments'), [{ match: -32602, effect: 'unknown' }])).toBe('unknown')
  })
})
