import { describe, expect, it } from 'vitest'
import { currentOperation, Question } from '../../src/engine/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import { bench, coded, refusalOf, settle, unavailable, type Bench } from './bench.ts'

/** An attempt that runs while others have called it a doubt: it ends when `go` says how. */
async function overtaken(options: object = {}) {
  const b = bench()
  let go = (_answer?: unknown): void => {}
  const tool = b.tool({
    timeout: '10m',
    execute: () =>
      new Promise((resolve, reject) => {
        go = (answer = 'mine') => (answer instanceof Error ? reject(answer) : resolve(answer))
      }),
    ...options,
  })
  const call = tool.perform({ ref: 'a' })
  call.catch(() => undefined)
  await settle()
  const { key } = b.record(tool, { ref: 'a' })!
  b.time.stepStore(40_000)
  const other = bench({ beside: b, self: 'host/boot/2/1' })
  await b.until(other.guard.internals.tick())
  return { b, tool, call, key, other, go: (answer?: unknown) => go(answer) }
}

/** The store forgets an operation, whatever it has acknowledged. */
async function lose(b: Bench, key: string): Promise<void> {
  const event = {
    transition: 'x',
    from: 'in-doubt',
    to: 'deleted',
    fence: 1,
    nonce: '',
    who: '',
    openSends: 0,
  } as const
  await b.inner.write({ key, tenant: 'default', expect: b.recordOf(key)!.revision, draft: undefined, event })
}

const doubts = (b: Bench): unknown[] => b.events.filter(({ name }) => name === 'doubt')
const committed = { verdict: 'committed', who: 'ada', note: 'n', value: 'hers' } as const

describe('an attempt whose record moved on', () => {
  it('into a doubt: a doubt of its own is the same one, told once', async () => {
    const { b, call, go, key } = await overtaken()
    go(coded('ECONNRESET'))
    expect(await refusalOf(b.until(call))).toMatchObject({ code: 'IN_DOUBT', details: { reason: 'lease-over' } })
    expect(doubts(b)).toEqual([])
    expect(b.recordOf(key)?.reason).toBe('lease-over')
  })

  it.each([
    ['a doubt', () => coded('ECONNRESET')],
    ['a refusal', () => coded('DECLINED')],
  ])('to committed: %s changes nothing, and the ledger’s answer is told', async (_name, error) => {
    const { b, call, go, key } = await overtaken()
    await b.guard.ledger.resolve(key, committed)
    go(error())
    expect(await b.until(call)).toMatchObject({ status: 'committed', value: 'hers', replayed: true })
  })

  it('to abandoned: a refusal changes nothing', async () => {
    const { b, call, go, key } = await overtaken()
    await b.guard.ledger.resolve(key, { verdict: 'abandoned', who: 'ada', note: 'n' })
    go(coded('DECLINED'))
    expect(await refusalOf(b.until(call))).toMatchObject({ code: 'IN_DOUBT' })
    expect(b.recordOf(key)?.state).toBe('abandoned')
  })

  it('into a doubt: its refusal settles it, its "accepted" does not', async () => {
    const refused = await overtaken()
    refused.go(coded('DECLINED'))
    expect(await refusalOf(refused.b.until(refused.call))).toMatchObject({ code: 'REJECTED' })
    const accepted = await overtaken({ verify: () => undefined })
    accepted.go()
    expect(await refusalOf(accepted.b.until(accepted.call))).toMatchObject({ code: 'IN_DOUBT' })
    expect(accepted.b.recordOf(accepted.key)?.state).toBe('in-doubt')
  })

  it('to nothing at all, as the store lost it: done is told as done, not recorded', async () => {
    const { b, call, go, key } = await overtaken()
    await lose(b, key)
    go()
    expect(await b.until(call)).toMatchObject({ status: 'committed', value: 'mine', recorded: false })
  })

  it.each([
    ['an accepted answer', 'mine', { verify: () => undefined }],
    ['a question', new Question({ ask: 1 }), {}],
    ['a refusal', coded('DECLINED'), {}],
    ['an error', coded('ECONNRESET'), {}],
  ])('to nothing at all: %s is told as doubt, and nothing runs again', async (_name, answer, options) => {
    const { b, call, go, key } = await overtaken(options)
    await lose(b, key)
    go(answer)
    expect(await refusalOf(b.until(call))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
    expect(b.recordOf(key)).toBeUndefined()
  })

  it('released by a person: it may have acted all the same, so trouble after it is no "no effect"', async () => {
    const { b, call, go, key } = await overtaken()
    b.time.stepStore(60_000)
    await b.guard.ledger.resolve(key, { verdict: 'released', who: 'ada', note: 'n' })
    b.fault = (point) => {
      if (point === 'doubted')
        b.trouble.request = () => {
          throw unavailable()
        }
    }
    go(coded('ECONNRESET'))
    const error = await refusalOf(b.until(call))
    expect(error).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  })
})

describe('an attempt that acted and lost its record', () => {
  it.each([
    ['a value', 'mine', {}],
    ['an accepted answer', 'mine', { verify: () => undefined }],
    ['a question', new Question({ ask: 1 }), {}],
    ['a refusal', coded('DECLINED'), {}],
    ['an error', coded('ECONNRESET'), {}],
  ])('to a person: after %s, trouble with the ledger is no "no effect"', async (_name, answer, options) => {
    const { b, call, go, key } = await overtaken(options)
    await b.guard.ledger.resolve(key, committed)
    b.trouble.request = (verb) => {
      if (verb === 'read') throw unavailable()
    }
    go(answer)
    expect(await refusalOf(b.until(call))).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown' })
  })

  it('to another attempt that asks: its own question is nobody’s', async () => {
    const { b, call, go, key, other } = await overtaken()
    b.time.stepStore(60_000)
    await b.guard.ledger.resolve(key, { verdict: 'released', who: 'ada', note: 'n' })
    const asking = other.tool({ execute: () => new Question({ ask: 'theirs' }) })
    expect(await b.until(asking.perform({ ref: 'a' }))).toMatchObject({ status: 'awaiting-input' })
    go(new Question({ ask: 'mine' }))
    expect(await refusalOf(b.until(call))).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown' })
    expect(b.recordOf(key)).toMatchObject({ state: 'awaiting-input', fence: 2 })
  })

  it('to another attempt that is in doubt: its refusal settles nothing, and its caller hears both', async () => {
    const { b, call, go, key } = await overtaken()
    const record = b.recordOf(key)!
    const event = { transition: 'T14', from: 'recovering', to: 'in-doubt', fence: 2, nonce: 'theirs', who: 'other', openSends: 1 } as const // prettier-ignore
    const draft = { ...record, fence: 2, nonce: 'theirs', leaseMs: 0 }
    await b.inner.write({ key, tenant: 'default', expect: record.revision, draft, event })
    go(coded('DECLINED'))
    const error = await refusalOf(b.until(call))
    expect(error).toMatchObject({ code: 'IN_DOUBT', cause: { message: 'DECLINED' } })
    expect(b.recordOf(key)).toMatchObject({ state: 'in-doubt', fence: 2 })
  })
})

describe('an attempt that has ended', () => {
  it('sends no more, from the moment of its answer on', async () => {
    const b = bench()
    let check = (): void => {}
    let operation: ReturnType<typeof currentOperation>
    const tool = b.tool({
      execute: (_input: unknown, context: { checkpoint(): void }) => {
        check = () => context.checkpoint()
        operation = currentOperation()
        expect(operation?.ended).toBe(false)
        check()
        return 1
      },
    })
    const seen: unknown[] = []
    b.fault = (point) => {
      if (point !== 'answered') return
      seen.push(operation?.ended)
      expect(check).toThrow(expect.objectContaining({ code: 'CANCELLED' }) as Error)
    }
    expect((await b.until(tool.perform({ ref: 'a' }))).value).toBe(1)
    expect(seen).toEqual([true])
  })

  it('has no part in what it left running: neither as its parent nor as its caller', async () => {
    const b = bench()
    const jobs: (() => void)[] = []
    const other = b.tool({ name: 'other' })
    const whole: ReturnType<typeof b.tool> = b.tool({
      recovery: { class: 'composite' },
      execute: () => {
        // A loop that is started with the first job that needs it.
        void (async () => {
          for (;;) await new Promise<void>((resolve) => jobs.push(resolve)).then(() => jobs.shift()?.())
        })()
        return 1
      },
    })
    const later = async <T>(work: () => Promise<T>): Promise<T> =>
      await new Promise((resolve, reject) => {
        jobs.push(() => void work().then(resolve, reject))
        jobs.shift()?.()
      })
    await b.until(whole({ ref: 'a' }))
    expect(await b.until(later(() => other({ ref: 'b' })))).toEqual({ id: 1, ref: 'b' })
    expect(b.record(other, { ref: 'b' })?.parent).toBeUndefined()
    expect(await b.until(later(() => whole.perform({ ref: 'a' })))).toMatchObject({ replayed: true })
  })

  it('aborted right after a claim that was its marker: released', async () => {
    const b = bench()
    const controller = new AbortController()
    const tool = b.tool()
    let go = (): void => {}
    b.fault = (point) => (point === 'claimed' ? new Promise<void>((resolve) => (go = resolve)) : undefined)
    const call = refusalOf(tool({ ref: 'a' }, { signal: controller.signal }))
    await settle()
    controller.abort()
    await settle()
    go()
    expect(await b.until(call)).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    expect(b.record(tool, { ref: 'a' })).toMatchObject({ state: 'released', openSends: 0 })
    expect(b.downstream.log).toEqual([])
  })

  it('a claim that never arrived is looked for during a lease, not longer', async () => {
    const b = bench()
    const tool = b.tool()
    await b.guard.open()
    b.trouble.request = (verb) => {
      if (verb === 'write') throw unavailable()
    }
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    let reads = 0
    b.trouble.request = (verb) => {
      if (verb === 'read') reads += 1
    }
    await b.time.advance(29_500)
    const within = reads
    expect(within).toBeGreaterThan(20)
    await b.time.advance(2_000)
    const ended = reads
    await b.time.advance(60_000)
    expect(reads).toBe(ended)
    expect(b.time.timers().every(({ background }) => background)).toBe(true)
  })

  it('what goes wrong with that but an absence of the store is told', async () => {
    const b = bench()
    const tool = b.tool()
    await b.guard.open()
    b.trouble.request = (verb) => {
      if (verb === 'write') throw unavailable()
    }
    await refusalOf(b.until(tool({ ref: 'a' })))
    b.trouble.request = (verb) => {
      if (verb === 'read') throw new OnefoldError('STORE_UNSAFE', 'another file')
    }
    await b.time.advance(1_000)
    expect(b.events.filter(({ name }) => name === 'alarm')).toEqual([
      {
        name: 'alarm',
        key: b.guard.internals.name(tool.contract, { ref: 'a' }).key,
        tenant: 'default',
        tool: 'place_order',
        run: undefined,
        message: 'another file',
      },
    ])
  })

  it('an older name that is already marked lets a new attempt pass', async () => {
    const b = bench()
    const tool = b.tool({ version: 2, supersedes: [{ version: 1, identity: (input: { ref: string }) => input.ref }] })
    b.downstream.plan('a', 'refuse')
    expect(await refusalOf(b.until(tool({ ref: 'a' })))).toMatchObject({ code: 'REJECTED' })
    expect(await b.until(tool({ ref: 'a' }))).toEqual({ id: 1, ref: 'a' })
  })
})
