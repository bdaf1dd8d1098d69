import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { currentRun } from '../../src/engine/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import { anything, bench, coded, facts, refusalOf, settle, unavailable, type OrderInput } from './bench.ts'

describe('a call', () => {
  it('that found the ledger away may be made again, when the ledger says or in a second', async () => {
    for (const [retryAfterMs, told] of [
      [undefined, 1_000],
      [7_000, 7_000],
    ] as const) {
      const b = bench()
      const tool = b.tool()
      await b.guard.open()
      const away = new OnefoldError('STORE_UNAVAILABLE', 'away', retryAfterMs === undefined ? {} : { retryAfterMs })
      b.trouble.request = () => {
        throw away
      }
      const error = await refusalOf(b.until(tool({ ref: 'a' })))
      const { key } = b.guard.internals.name(tool.contract, { ref: 'a' })
      expect(facts(error)).toMatchObject({
        code: 'STORE_UNAVAILABLE',
        effect: 'none',
        retryable: true,
        retryAfterMs: told,
        key,
      })
      expect(error.cause).toBe(away)
      b.trouble.request = () => undefined
      expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
    }
  })

  it('that waited in vain is told to come back after a sweep, at least after a second', async () => {
    for (const [sweepMs, told] of [
      [100, 1_000],
      [5_000, 5_000],
    ] as const) {
      const b = bench({ settings: { sweepMs } })
      const tool = b.tool()
      b.downstream.plan('a', 'hold')
      const first = tool({ ref: 'a' })
      await settle()
      const error = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 10 })))
      expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', retryAfterMs: told })
      b.downstream.release('a')
      await b.until(first)
    }
  })

  it('that was cancelled before it began names no operation', async () => {
    const b = bench()
    const error = await refusalOf(b.until(b.tool()({ ref: 'a' }, { signal: AbortSignal.abort() })))
    expect(facts(error)).toMatchObject({ code: 'CANCELLED', effect: 'none', ticket: undefined })
  })

  it('that ended leaves neither a timer nor a listener behind', async () => {
    const b = bench()
    const tool = b.tool()
    const controller = new AbortController()
    const foreground = () => b.time.timers().filter(({ background }) => !background)
    await b.until(tool({ ref: 'a' }, { signal: controller.signal }))
    await settle()
    expect(foreground()).toEqual([])
    b.downstream.plan('b', 'hold')
    const first = tool({ ref: 'b' })
    const joined = tool({ ref: 'b' }, { signal: controller.signal })
    await settle()
    b.downstream.release('b')
    await b.until(Promise.all([first, joined]))
    await settle()
    expect(foreground()).toEqual([])
    controller.abort()
    await settle()
    expect(b.events.filter(({ name }) => name === 'aborted-after-commit')).toEqual([])
  })

  it('that left starts no wait of its own when its work comes to a doubt later', async () => {
    const b = bench()
    const controller = new AbortController()
    const tool = b.tool({
      execute: async () => {
        await new Promise<void>((resolve) => b.time.after(50, resolve))
        throw coded('ECONNRESET')
      },
    })
    const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
    await settle()
    controller.abort()
    await b.until(call)
    await b.time.advance(50)
    expect(b.record(tool, { ref: 'a' })?.state).toBe('in-doubt')
    expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
  })

  it('that left while nobody knows whether its claim was taken is not told that nothing happened', async () => {
    const b = bench()
    const controller = new AbortController()
    const tool = b.tool()
    await b.guard.open()
    let go = (): void => {}
    b.fault = (point) => (point === 'before-claim' ? new Promise<void>((resolve) => (go = resolve)) : undefined)
    const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
    await settle()
    b.trouble.request = () => {
      throw unavailable()
    }
    controller.abort()
    go()
    expect(facts(await b.until(call))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
  })

  it('that left before anything was sent cancels nobody who comes after it', async () => {
    const b = bench()
    let go = (): void => {}
    const tool = b.tool({ prepare: () => new Promise<void>((resolve) => (go = resolve)) })
    const call = async (signal?: AbortSignal, waitMs?: number) => await tool({ ref: 'a' }, { signal, waitMs })
    const controllers = [new AbortController(), new AbortController()] as const
    const first = refusalOf(call(controllers[0].signal))
    await settle()
    controllers[0].abort()
    await settle()
    const gone = refusalOf(call(controllers[1].signal))
    const hurried = refusalOf(call(undefined, 10))
    const patient = call()
    await settle()
    controllers[1].abort()
    expect(facts(await b.until(hurried))).toMatchObject({ code: 'IN_PROGRESS' })
    go()
    expect(facts(await b.until(gone))).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    expect(facts(await b.until(first))).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    await settle()
    go()
    expect(await b.until(patient)).toEqual({ id: 1, ref: 'a' })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('keeps its run unsettled while its work goes on without it', async () => {
    const b = bench()
    const tool = b.tool()
    const controller = new AbortController()
    b.downstream.plan('a', 'hold')
    await b.guard.run({ id: 'r' }, async (run) => {
      const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
      await settle()
      controller.abort()
      expect(facts(await b.until(call))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
      let settled = false
      const waiting = run.settled().then(() => (settled = true))
      await settle()
      expect(settled).toBe(false)
      b.downstream.release('a')
      await b.until(waiting)
    })
    expect(b.events.filter(({ name }) => name === 'aborted-after-commit')).toEqual([
      expect.objectContaining({ run: 'r', tool: 'place_order', compensable: false }),
    ])
  })

  it('tells what it got as a duplicate under the run that it came in', async () => {
    const b = bench()
    const tool = b.tool()
    await b.guard.run({ id: 'r' }, async () => {
      await b.until(tool({ ref: 'a' }))
      await b.until(tool({ ref: 'a' }))
    })
    expect(b.events.filter(({ name }) => name === 'duplicate')).toMatchObject([{ run: 'r', answer: 'replayed' }])
  })

  it('with a round that nobody asked for is a call like the others', async () => {
    const b = bench()
    const tool = b.tool()
    expect(await b.until(tool.perform({ ref: 'a' }, { round: 'x' }))).toMatchObject({ replayed: false })
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ replayed: true })
    expect(b.downstream.effects('a')).toBe(1)
  })
})

describe('a read', () => {
  const read = { name: 'look', effect: 'read', identity: undefined, ignore: undefined, errors: undefined, recovery: undefined } // prettier-ignore

  it('knows its run, may send for as long as it takes, and can be answered by another', async () => {
    const b = bench()
    const seen: unknown[] = []
    const tool = b.tool({
      ...read,
      execute: async (_input: OrderInput, context: ToolContext) => {
        await new Promise<void>((resolve) => b.time.after(3_000_000, resolve))
        context.checkpoint()
        seen.push(context.run?.id)
        return 1
      },
    })
    expect(await b.until(b.guard.run({ id: 'r' }, () => tool.perform({ ref: 'a' })))).toMatchObject({ value: 1 })
    expect(seen).toEqual(['r'])
    const other = await b.guard.internals.perform(tool.contract, { ref: 'a' }, { execute: () => 2 })
    expect(other.value).toBe(2)
    expect(seen).toHaveLength(1)
  })

  it('goes through a closed guard no less than through an open one', async () => {
    const b = bench()
    const tool = b.tool({ ...read, input: anything, execute: () => 1 })
    await b.until(tool({ ref: 'a' }))
    await b.until(b.guard.close())
    expect(await tool({ ref: 'a' })).toBe(1)
    expect(await refusalOf(b.guard.once('k', () => 1))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
  })
})

describe('an answer that only the spool has', () => {
  it('is not remembered as recorded', async () => {
    const b = bench({ guarantees: { localReads: false } })
    const tool = b.tool()
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw unavailable()
    }
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ recorded: false, replayed: false })
    const again = await refusalOf(b.until(tool({ ref: 'a' }, { waitMs: 10 })))
    expect(again.effect).not.toBe('none')
    b.trouble.request = () => undefined
    await b.until(b.guard.internals.tick())
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ recorded: true, replayed: true })
    expect(b.downstream.effects('a')).toBe(1)
  })
})

describe('reads and nesting', () => {
  const read = { effect: 'read', identity: undefined, ignore: undefined, errors: undefined, recovery: undefined }

  it('a read passes through, unrecorded, as often as it is called', async () => {
    const b = bench()
    let calls = 0
    const tool = b.tool({
      ...read,
      name: 'look',
      execute: (input: OrderInput, context: { attempt: number; key: string; checkpoint(): void }) => {
        context.checkpoint()
        calls += 1
        return { ...input, attempt: context.attempt }
      },
    })
    expect(await b.until(tool.perform({ ref: 'a' }))).toEqual({
      status: 'committed',
      value: { ref: 'a', attempt: 1 },
      error: undefined,
      replayed: false,
      joined: false,
      key: '',
      ticket: '',
      attempts: 1,
      recorded: false,
      notice: undefined,
      missing: undefined,
      record: undefined,
    })
    await b.until(tool({ ref: 'a' }))
    expect(calls).toBe(2)
    expect((await b.guard.ledger.list()).records).toEqual([])
  })

  it('a read hears its caller’s abort', async () => {
    const b = bench()
    const controller = new AbortController()
    let signal: AbortSignal | undefined
    const tool = b.tool({
      ...read,
      name: 'look',
      execute: (_input: unknown, context: { signal: AbortSignal }) => {
        signal = context.signal
        return 1
      },
    })
    await b.until(tool({ ref: 'a' }, { signal: controller.signal }))
    expect(signal?.aborted).toBe(false)
    controller.abort('why')
    expect(signal?.reason).toBe('why')
  })

  it('an operation inside itself is refused, at any depth', async () => {
    const b = bench()
    const errors: unknown[] = []
    const outer = b.tool({
      name: 'outer',
      execute: async (input: OrderInput) => {
        errors.push(await refusalOf(outer(input)))
        return await inner(input)
      },
    })
    const inner = b.tool({
      name: 'inner',
      execute: async (input: OrderInput) => {
        errors.push(await refusalOf(outer(input)))
        return 'inner'
      },
    })
    expect(await b.until(outer({ ref: 'a' }) as Promise<unknown>)).toBe('inner')
    const { key } = b.record(outer, { ref: 'a' })!
    for (const error of errors) expect(facts(error)).toMatchObject({ code: 'RECURSIVE_OPERATION', effect: 'none', key })
    expect(errors).toHaveLength(2)
    expect(b.record(inner, { ref: 'a' })?.parent).toEqual({
      key: b.record(outer, { ref: 'a' })!.key,
      fence: b.record(outer, { ref: 'a' })!.fence,
      ordinal: 1,
    })
  })

  it('children of the same parent are counted', async () => {
    const b = bench()
    const child = b.tool({ name: 'child', scope: 'parent' })
    const parent = b.tool({
      name: 'parent',
      execute: async (input: OrderInput) => [await child(input), await child(input)],
    })
    await b.until(parent({ ref: 'a' }))
    expect(b.downstream.effects('a')).toBe(2)
    const keys = (await b.guard.ledger.list({ tool: 'child' })).records.map(({ parent: it }) => it?.ordinal)
    // The first is recorded before its ordinal is counted on.
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(2)
  })

  it('the run is there inside the tool, also when it is bound explicitly', async () => {
    const b = bench()
    const seen: unknown[] = []
    const tool = b.tool({
      execute: (_input: OrderInput, context: { run: unknown }) => {
        seen.push([currentRun()?.id, context.run])
        return 1
      },
    })
    const handle = await b.guard.run({ id: 'r', session: 's' }, (run) => run)
    await b.until(tool({ ref: 'a' }, { run: handle }))
    expect(seen).toEqual([['r', { id: 'r', tenant: 'default', session: 's' }]])
  })
})

describe('once', () => {
  it('is refused without a key or without work, since it would stand for every such call', async () => {
    const b = bench()
    for (const key of [undefined, '', 7, {}])
      expect(await refusalOf(b.guard.once(key as string, () => 1))).toMatchObject({
        code: 'KEY_INVALID',
        effect: 'none',
      })
    expect(await refusalOf(b.guard.once('k', undefined as never))).toMatchObject({ code: 'CONTRACT_INVALID' })
    expect(await b.until(b.guard.once('k', () => 2))).toBe(2)
  })
})

it('a ledger that fails while it is looked at first rejects the call, and nothing else in the process', async () => {
  const b = bench()
  const tool = b.tool()
  for (let n = 0; n < 40; n += 1) await b.until(tool({ ref: 'a' }))
  const unhandled: unknown[] = []
  const hear = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', hear)
  b.trouble.request = async () => {
    throw unavailable()
  }
  expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await settle()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', hear)
  expect(unhandled).toEqual([])
})
