import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { keyed, type ToolContext } from '../../src/contract/index.ts'
import { downstreamFetch } from '../../src/downstream/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { testGuard } from '../support/guard.ts'

/*
 * Requests of one method and path that a tool sends side by side: the order is another one at every attempt, and a key
 * that went to the wrong request would do one of them twice and the other never.
 */

/** A service that keeps its keys; the first answer to A is lost after its effect, the first request with B before. */
let service: Server
let url: string
let effects: string[]
let compares: boolean
let guard: Guard

beforeEach(async () => {
  effects = []
  compares = true
  let requests = 0
  const kept = new Map<string, string>()
  service = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      const isFirst = (requests += 1) <= 2
      if (isFirst && body === 'B') return void request.socket.destroy()
      const key = String(request.headers['idempotency-key'])
      const earlier = kept.get(key)
      if (earlier === undefined) {
        kept.set(key, body)
        effects.push(body)
      }
      if (isFirst) return void request.socket.destroy()
      response.statusCode = compares && (earlier ?? body) !== body ? 422 : 200
      response.end(earlier ?? body)
    })
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/orders`
})
afterEach(async () => {
  await guard.close()
  service.closeAllConnections()
  service.close()
})

/** Sends A and B side by side, the other way round at every second attempt. */
async function perform(header: (body: string, context: ToolContext) => Record<string, string>): Promise<unknown> {
  guard = testGuard({ makeFetch: downstreamFetch() })
  let attempts = 0
  const tool = guard.tool({
    name: 'orders',
    input: z.object({ n: z.number() }),
    effect: 'write',
    identity: ['n'],
    recovery: keyed('24h'),
    execute: async (_input, context) => {
      attempts += 1
      const late = attempts % 2 === 1 ? 'B' : 'A'
      const send = async (body: string): Promise<string> => {
        if (body === late) await pause(5)
        const response = await context.fetch(url, { method: 'POST', body, headers: header(body, context) })
        if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status })
        return await response.text()
      }
      const answers = await Promise.allSettled(['A', 'B'].map(send))
      return answers.map((answer) => {
        if (answer.status === 'rejected') throw answer.reason
        return answer.value
      })
    },
  })
  return await tool({ n: 1 })
}

describe.each([
  ['compares bodies', true],
  ['answers by the key alone', false],
])('requests side by side, at a service that %s', (_what, isComparing) => {
  it('keep their keys when the attempt is made again in another order: each happens once', async () => {
    compares = isComparing
    expect(await perform(() => ({}))).toEqual(['A', 'B'])
    expect(effects.toSorted()).toEqual(['A', 'B'])
  })

  it('may be named, which also holds after a crash', async () => {
    compares = isComparing
    expect(await perform((body, context) => ({ 'Idempotency-Key': context.downstreamKey('stripe', body) }))).toEqual([
      'A',
      'B',
    ])
    expect(effects.toSorted()).toEqual(['A', 'B'])
  })
})
