import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import { Question } from '../../src/engine/index.ts'
import { OnefoldError } from '../../src/error/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench, type OrderInput } from './bench.ts'
import { alarms, doubts, pair, unsafe } from './corners.ts'

const input = { ref: 'a' }

describe('a claim', () => {
  it('whose marker comes after another engine took it over is overtaken', async () => {
    const [a, b] = await pair()
    const there = b.tool()
    let wake = (): void => {}
    const elsewhere = new Promise<void>((resolve) => (wake = resolve)).then(() => b.until(there(input)))
    const here = a.tool({
      prepare: async () => {
        // The store's clock alone: by its own, this engine still holds its lease.
        a.time.stepStore(60_000)
        wake()
        await elsewhere
      },
    })
    expect(await a.until(here.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('on what was refused before is overtaken by another engine that claims it first', async () => {
    const [a, b] = await pair()
    const tool = a.tool()
    const there = b.tool()
    a.downstream.plan('a', 'refuse')
    await refusalOf(a.until(tool(input)))
    let met = false
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || met) return
      met = true
      await b.until(there(input))
    }
    expect(await a.until(tool.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('is not taken back by an engine that has closed', async () => {
    const b = bench()
    const tool = b.tool()
    await b.until(b.guard.open())
    let lost = false
    b.trouble.answer = (verb) => {
      if (verb === 'write' && !lost) {
        lost = true
        b.trouble.request = () => {
          throw unavailable()
        }
        throw unavailable()
      }
    }
    await refusalOf(b.until(tool(input)))
    const closed = b.guard.close().catch(() => undefined)
    await b.time.advance(10_000)
    await closed
    b.trouble.request = () => undefined
    await b.time.advance(60_000)
    await b.inner.open()
    expect(b.record(tool, input)?.state).toBe('executing')
  })

  it('whose doubt after a loss comes too late tells nothing', async () => {
    const [a, b] = await pair()
    const tool = a.tool()
    let writes = 0
    a.trouble.answer = (verb, _args, answer) =>
      verb === 'write' && (writes += 1) === 1 ? { ...(answer as object), sequence: -1 } : undefined
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || writes !== 1) return
      writes += 1
      a.time.pause(60_000)
      await b.guard.internals.tick()
    }
    await refusalOf(a.until(tool(input)))
    expect(doubts(a)).not.toContain('amnesia')
    expect(a.record(tool, input)).toMatchObject({ state: 'in-doubt', reason: 'lease-over' })
  })
})

describe('another version of a tool', () => {
  it('is not answered by the record of the old one, unless it says so', async () => {
    const a = bench()
    await a.until(a.tool()(input))
    const b = bench({ beside: a })
    const error = await refusalOf(b.until(b.tool({ version: 2 })(input)))
    expect(facts(error)).toMatchObject({ code: 'CONTRACT_SUPERSEDED' })
    const c = bench({ beside: a })
    const tool = c.tool({ version: 2, replaysFrom: [1] })
    expect(await c.until(tool.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(a.downstream.effects('a')).toBe(1)
  })
})

describe('several calls', () => {
  it('with other values while another engine prepares wait for what comes of it', async () => {
    const [a, b] = await pair()
    let go = (): void => {}
    const there = b.tool({ prepare: () => new Promise<void>((resolve) => (go = resolve)) })
    const tool = a.tool()
    const first = there({ ref: 'a', amount: 1 })
    await settle()
    const same = tool.perform({ ref: 'a', amount: 1 })
    await a.time.advance(10)
    const other = refusalOf(tool.perform({ ref: 'a', amount: 2 }))
    let told = false
    void other.then(() => (told = true))
    await a.time.advance(10)
    // What only prepares elsewhere binds nobody yet.
    expect(told).toBe(false)
    go()
    await b.until(first)
    expect(await a.until(same)).toMatchObject({ status: 'committed', replayed: true })
    expect(facts(await a.until(other))).toMatchObject({ code: 'KEY_REUSED' })
    expect(a.downstream.effects('a')).toBe(1)
  })

  it('one that joins as the last of the others leaves hears that it still runs elsewhere', async () => {
    const [a, b] = await pair()
    const there = b.tool({ prepare: () => new Promise<void>(() => undefined) })
    void there(input).catch(() => undefined)
    await settle()
    const tool = a.tool()
    const controller = new AbortController()
    const first = refusalOf(tool.perform(input, { signal: controller.signal }))
    await a.time.advance(10)
    controller.abort()
    await settle()
    const second = refusalOf(tool.perform(input))
    expect(facts(await a.until(first))).toMatchObject({ code: 'CANCELLED', effect: 'none' })
    expect(facts(await a.until(second))).toMatchObject({ code: 'IN_PROGRESS', effect: 'unknown' })
    expect(a.downstream.effects('a')).toBe(0)
  })

  it('one that left while it waited for another round has not begun', async () => {
    const b = bench()
    let answer = (): void => {}
    let sent = 0
    const tool = b.tool({
      execute: async (given: OrderInput, context: ToolContext) => {
        sent += 1
        if (sent > 1) return await b.downstream.send(given, context)
        await new Promise<void>((resolve) => (answer = resolve))
        return new Question({ ask: 1 })
      },
    })
    const first = tool.perform(input)
    const controller = new AbortController()
    const second = refusalOf(tool.perform(input, { round: 'x', signal: controller.signal }))
    await settle()
    controller.abort()
    answer()
    await b.until(first)
    expect(facts(await b.until(second))).toMatchObject({ code: 'CANCELLED' })
  })

  it('are counted where nobody listens', async () => {
    const b = bench()
    const guard = b.guard.internals.twin((options) => options)
    await b.until(guard.once('k', () => 1))
    await b.until(guard.once('k', () => 2))
    await b.until(guard.internals.tick())
    const [record] = (await guard.ledger.list()).records
    expect((await guard.ledger.show(record?.key ?? '')).history.at(-1)).toMatchObject({ transition: 'duplicate', why: 'replayed × 1' }) // prettier-ignore
  })

  it('a refusal that the ledger refuses to take is told as what it is', async () => {
    const b = bench()
    const tool = b.tool()
    b.downstream.plan('a', 'refuse')
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw unsafe()
    }
    expect(facts(await refusalOf(b.until(tool(input))))).toMatchObject({ code: 'STORE_UNSAFE' })
  })

  it('a success that the ledger refuses to take is told as what it is, also later', async () => {
    const b = bench()
    const tool = b.tool()
    let away = unsafe
    b.trouble.request = (verb) => {
      if (verb === 'write' && b.points.includes('answered')) throw away()
    }
    expect(facts(await refusalOf(b.until(tool(input))))).toMatchObject({ code: 'STORE_UNSAFE' })
    away = unavailable
    expect(await b.until(tool.perform({ ref: 'b' }).catch((error: unknown) => error))).toBeInstanceOf(OnefoldError)
    const c = bench()
    const other = c.tool()
    away = unavailable
    c.trouble.request = (verb) => {
      if (verb === 'write' && c.points.includes('answered')) throw away()
    }
    expect(await c.until(other.perform(input))).toMatchObject({ status: 'committed', recorded: false })
    away = unsafe
    await c.time.advance(5_000)
    expect(alarms(c)).toContain('broken')
  })
})

describe('a later round', () => {
  it('without a name is sent where only named ones came before', async () => {
    const b = bench()
    let sent = 0
    const tool = b.tool({
      execute: async (given: OrderInput, context: ToolContext) =>
        (sent += 1) === 1 ? new Question({ ask: 1 }) : await b.downstream.send(given, context),
    })
    await b.until(tool.perform(input, { round: 'x' }))
    expect(b.record(tool, input)?.evidence.map(({ what }) => what)).toEqual(['round x was sent'])
    expect(await b.until(tool.perform(input))).toMatchObject({ status: 'committed' })
    expect([sent, b.downstream.effects('a')]).toEqual([2, 1])
  })

  it('that was sent and then settled by a person over its head is told as their word', async () => {
    const [a, b] = await pair()
    let sent = 0
    const tool = a.tool({
      execute: () => {
        sent += 1
        if (sent === 1) return new Question({ ask: 1 })
        throw coded('DECLINED')
      },
    })
    const { key } = await a.until(tool.perform(input))
    a.fault = async (point) => {
      if (point !== 'answered') return
      a.time.pause(120_000)
      await b.guard.internals.tick()
      await b.guard.ledger.resolve(key, { verdict: 'abandoned', who: 'me', note: 'n' })
    }
    const error = await refusalOf(a.until(tool.perform(input, { round: 'x' })))
    expect(facts(error)).toMatchObject({ effect: 'unknown' })
    expect(a.record(tool, input)?.state).toBe('abandoned')
  })

  it('that cannot say it lost its evidence, since somebody doubted it first, tells nothing', async () => {
    const [a, b] = await pair()
    const tool = a.tool({ execute: () => new Question({ ask: 1 }) })
    await a.until(tool.perform(input))
    let writes = 0
    a.trouble.answer = (verb, _args, answer) =>
      verb === 'write' && (writes += 1) === 1 ? { ...(answer as object), sequence: -1 } : undefined
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || writes !== 1) return
      writes += 1
      a.time.pause(60_000)
      await b.guard.internals.tick()
    }
    await refusalOf(a.until(tool.perform(input, { round: 'x' })))
    expect(doubts(a)).toEqual([])
    expect(a.record(tool, input)?.reason).toBe('lease-over')
  })
})

describe('turns', () => {
  const order = (ref: string): OrderInput => ({ ref, account: 'x' })

  it('are of a key that a secret made, where there is one', async () => {
    const a = bench()
    const b = bench({ keySecret: 's' })
    for (const each of [a, b]) await each.until(each.tool({ exclusive: ['account'] })(order('a')))
    const keyOf = async (each: Bench) => (await each.guard.ledger.list({ tool: 'exclusive' })).records[0]?.key
    expect(await keyOf(a)).not.toBe(await keyOf(b))
  })

  it('wait for an operation that prepares, and name it', async () => {
    const b = bench()
    const tool = b.tool({ exclusive: ['account'], prepare: (given: OrderInput) => (given.ref === 'a' ? new Promise<void>(() => undefined) : undefined) }) // prettier-ignore
    const c = bench({ beside: b, self: 'host/boot/2/2' })
    const same = c.tool({ exclusive: ['account'] })
    void tool(order('a')).catch(() => undefined)
    await settle()
    const first = b.guard.internals.name(tool.contract, order('a')).key
    const error = await refusalOf(c.until(same(order('b'), { waitMs: 120_000 })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', effect: 'none', ticket: first.slice(4, 16) })
    expect(c.downstream.effects('b')).toBe(0)
  })

  it('that vanish while their own operation goes on are nobody’s', async () => {
    const b = bench()
    const tool = b.tool({ exclusive: ['account'], execute: () => new Question({ ask: 1 }) })
    await b.until(tool.perform(order('a')))
    b.trouble.answer = (verb, args, answer) => {
      const { event } = (args[0] ?? {}) as { event?: { transition?: string } }
      if (verb !== 'write' || event?.transition !== 'heartbeat') return undefined
      b.time.pause(120_000)
      return { ...(answer as object), applied: false, record: undefined }
    }
    const error = await refusalOf(b.until(tool.perform(order('a'), { round: 'x' })))
    expect(facts(error)).toMatchObject({ code: 'IN_PROGRESS', ticket: undefined })
  })
})
