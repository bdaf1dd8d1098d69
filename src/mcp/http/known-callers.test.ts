import { describe, expect, it } from 'vitest'
import { createKnownCallers } from './known-callers.ts'

const OPTIONS = { names: ['x-user', 'x-org'], tenants: true, renewed: true }
const seen = (principal: string, headers: Readonly<Record<string, string>>, session?: string) => ({
  who: { principal, tenant: headers['x-org'], search: '', session },
  rawHeaders: Object.entries(headers).flat(),
  connection: undefined,
  protocol: '2025-11-25',
  envelope: undefined,
})
const operation = (session: string, tenant: string, key = 'of1_a') => ({ key, run: { id: 'r', tenant, session } })

describe('callers that this process has seen', () => {
  it('are asked for by their operations, with all that they said of themselves and nothing of one message', () => {
    const callers = createKnownCallers(OPTIONS)
    const headers = { 'X-User': 'a', 'x-org': 'o', authorization: 'A', 'x-region': 'eu' }
    const message = { host: 'h', 'content-length': '3', 'mcp-name': 'pay', 'idempotency-key': 'k', connection: 'close' }
    callers.remember(seen('h:a', { ...headers, ...message }, 's1'))('of1_a')
    expect(callers.of(operation('h:a', 'o'))).toMatchObject({
      headers: Object.entries(headers).flat(),
      session: 's1',
      protocol: '2025-11-25',
    })
  })

  it('who come again are known by their newest session', () => {
    const callers = createKnownCallers(OPTIONS)
    callers.remember(seen('nobody', { 'x-org': 'o', traceparent: '1' }, 's1'))('of1_a')
    callers.remember(seen('nobody', { 'x-org': 'o', traceparent: '2' }, 's2'))
    callers.remember(seen('nobody', { 'x-org': 'o', 'private-token': 'm' }, 's3'))
    expect(callers.of(operation('nobody', 'o'))?.session).toBe('s2')
  })

  it('are, after a restart, their principal in their tenant, with credentials and names alone', () => {
    const callers = createKnownCallers(OPTIONS)
    const headers = { 'x-user': 'a', 'x-org': 'o', authorization: 'A' }
    callers.remember(seen('h:a', { ...headers, 'x-region': 'eu' }))
    expect(callers.of(operation('h:a/run:r1', 'o'))?.headers).toEqual(Object.entries(headers).flat())
    expect(callers.of(operation('h:a', 'other'))).toBeUndefined()
    expect(callers.of(operation('h:b', 'o'))).toBeUndefined()
  })

  it.each(['nobody', 'everybody'])('are never remembered as %s', (principal) => {
    const callers = createKnownCallers(OPTIONS)
    callers.remember(seen(principal, { 'x-org': 'o', 'x-auth-token': 'm' }, 's1'))('of1_other')
    expect(callers.of(operation(principal, 'o'))).toBeUndefined()
  })

  it('who are refused are known by what they come with next, where a header or a session names them', () => {
    const as = (authorization: string) => seen('h:a', { 'x-user': 'a', 'x-org': 'o', authorization })
    for (const renewed of [true, false]) {
      const callers = createKnownCallers({ ...OPTIONS, renewed })
      callers.remember(as('old'))('of1_a')
      callers.remember(as('new'))
      expect(callers.of(operation('h:a', 'o'))?.headers).toContain('old')
      callers.refused('of1_a')
      expect(callers.of(operation('h:a', 'o'))?.headers).toContain(renewed ? 'new' : 'old')
    }
  })
})
