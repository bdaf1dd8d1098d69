import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { bench, refusalOf, unavailable, type Bench, type OrderInput } from './bench.ts'

const input = { ref: 'a' }
const thrownBy = (work: () => unknown): unknown => {
  try {
    return void work()
  } catch (error) {
    return error
  }
}

describe('a doubt', () => {
  /** The ledger is away from a fault point on. */
  const away = (b: Bench, from: string): void => {
    b.fault = (point) => {
      if (point !== from) return
      b.trouble.request = () => {
        throw unavailable()
      }
    }
  }

  it('that the ledger has and can no longer tell is told with its reason', async () => {
    const b = bench()
    b.downstream.plan('a', 'lose-answer')
    away(b, 'doubted')
    expect(await refusalOf(b.until(b.tool()(input)))).toMatchObject({
      code: 'IN_DOUBT',
      details: { reason: 'reset' },
      cause: { message: 'ECONNRESET' },
    })
  })

  it('that the ledger never heard of is one all the same, with what the tool threw', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'lose-answer')
    away(b, 'before-doubt')
    expect(await b.until(tool.perform(input, { onDoubt: 'return' }))).toMatchObject({
      status: 'in-doubt',
      error: { message: 'ECONNRESET' },
      record: { state: 'in-doubt', reason: 'threw', attempts: 1 },
    })
    expect(b.record(tool, input)?.state).toBe('executing')
  })
})

describe('an attempt whose time is over', () => {
  it('may not send from the moment on that it is told to stop', async () => {
    const b = bench()
    let sent: unknown
    const tool = b.tool({
      timeout: '10s',
      execute: (_input: OrderInput, context: ToolContext) => {
        context.signal.addEventListener('abort', () => (sent = thrownBy(() => context.checkpoint())))
        return new Promise(() => undefined)
      },
    })
    expect(await refusalOf(b.until(tool(input)))).toMatchObject({ code: 'IN_DOUBT' })
    expect(sent).toMatchObject({ code: 'CANCELLED', effect: 'none' })
  })

  it('before its first byte is released, and its lease is not renewed meanwhile', async () => {
    // No sweep that would call it a doubt first.
    const b = bench({ settings: { sweepMs: 600_000 } })
    const tool = b.tool()
    let paused = false
    b.fault = (point) => {
      if (point !== 'marked') return
      paused = true
      b.time.pause(60_000)
    }
    b.trouble.request = async (verb) => {
      if (verb !== 'write' || !paused) return
      paused = false
      // Longer than a heartbeat, shorter than the store's deadline.
      await b.time.advance(1_500)
    }
    const error = await refusalOf(b.until(tool(input)))
    expect(error).toMatchObject({ effect: 'none', retryable: true })
    expect(await b.history(b.record(tool, input)!.key)).toEqual(["T1' absent>executing", 'T7 executing>released'])
    expect(b.downstream.log).toEqual([])
  })
})

it('a part of a tool that is no composite is an operation of its own, and not held against a later run', async () => {
  const b = bench()
  const child = b.tool({ name: 'child' })
  const parent = b.tool({ name: 'parent', execute: () => child({ ref: 'x' }) })
  await b.until(parent(input))
  const { key, children } = b.record(parent, input)!
  expect(children).toEqual([])
  expect(b.record(child, { ref: 'x' })).toMatchObject({ state: 'committed', parent: { key, ordinal: 0 } })
})
