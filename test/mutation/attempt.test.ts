import { describe, expect, it } from 'vitest'
import type { ToolContext } from '../../src/contract/index.ts'
import type { SendPort } from '../../src/engine/attempt.ts'
import { Question } from '../../src/engine/index.ts'
import { bench, coded, facts, refusalOf, settle, unavailable, type Bench, type OrderInput, type Verb } from './bench.ts'
import { doubts, pair } from './corners.ts'
import { onTable, toolOf } from './on-table.ts'

const input = { ref: 'a' }

/** A tool that asks `questions` times before it acts. */
function asking(b: Bench, questions: number, options: object = {}) {
  const it = { sent: 0 }
  const tool = b.tool({
    execute: async (given: OrderInput, context: ToolContext) => {
      context.checkpoint()
      it.sent += 1
      return it.sent <= questions ? new Question({ ask: it.sent }) : await b.downstream.send(given, context)
    },
    ...options,
  })
  return { it, tool }
}

/** A person settles what `a` is at, seen from `b`; then `a` can read its ledger no more. */
async function overtake(a: Bench, b: Bench, key: string): Promise<void> {
  a.time.pause(60_000)
  await b.guard.internals.tick()
  a.time.pause(60_000)
  await b.guard.ledger.resolve(key, { verdict: 'released', who: 'ada', note: 'n' })
  a.trouble.request = (verb) => {
    if (verb === 'read') throw unavailable()
  }
}

/** Verbs that are called from here on for a key. */
function watching(b: Bench, key: string): Verb[] {
  const verbs: Verb[] = []
  b.trouble.request = (verb, args) => {
    if (args[0] === key || (args[0] as { key?: string } | undefined)?.key === key) verbs.push(verb)
  }
  return verbs
}

describe('an attempt that has ended', () => {
  const rounds = async (b: Bench): Promise<string> => {
    const { tool } = asking(b, 1)
    await b.until(tool.perform(input))
    return (await b.until(tool.perform(input, { round: 'x' }))).key
  }
  it.each([
    ['in one go', async (b: Bench) => (await b.until(b.tool().perform(input))).key],
    ['in rounds', rounds],
  ])('%s keeps no lease, and is nothing that a closing engine has to bring to an end', async (_name, perform) => {
    const b = bench()
    const key = await perform(b)
    const verbs = watching(b, key)
    await b.time.advance(60_000)
    await b.until(b.guard.close())
    expect(verbs).toEqual([])
    expect(b.points).not.toContain('before-doubt')
  })

  it('before it sent keeps no lease either', async () => {
    const b = bench()
    const tool = b.tool({
      prepare: () => {
        throw new Error('no')
      },
    })
    await refusalOf(b.until(tool(input)))
    const verbs = watching(b, b.record(tool, input)!.key)
    await b.time.advance(60_000)
    await b.until(b.guard.close())
    expect(verbs).toEqual([])
  })
})

describe('a claim that was refused', () => {
  it('is told what is there by that very answer, without a further look', async () => {
    const [a, b] = await pair({ guarantees: { localReads: false } })
    const far = bench({ beside: a, self: 'host/boot/3/3', guarantees: { localReads: false } })
    await a.until(a.tool()(input))
    await far.until(far.guard.open())
    const tool = far.tool()
    const verbs = watching(far, a.record(tool, input)!.key)
    expect(await far.until(tool.perform(input))).toMatchObject({ status: 'committed', replayed: true })
    expect(verbs).toEqual(['write'])
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('at its marker sends nothing beside the one who has it and acts', async () => {
    const [a, b] = await pair()
    const there = b.tool()
    let elsewhere: Promise<unknown> | undefined
    a.downstream.plan('a', 'hold')
    const here = a.tool({
      prepare: async () => {
        // The store's clock alone: by its own, this engine still holds its lease.
        a.time.stepStore(60_000)
        elsewhere = there(input)
        await settle()
      },
    })
    const call = here.perform(input)
    await a.time.advance(5_000)
    expect(a.downstream.log).toEqual(['a:hold'])
    a.downstream.release('a')
    expect(await a.until(call)).toMatchObject({ status: 'committed', replayed: true })
    await elsewhere
    expect(a.downstream.log).toEqual(['a:hold'])
  })
})

describe('a claim that goes wrong', () => {
  it('is not taken back once it may have acted, whatever is thrown after that', async () => {
    const b = bench()
    const tool = b.tool()
    b.fault = (point) => {
      if (point === 'answered') throw unavailable()
    }
    await refusalOf(b.until(tool(input)))
    await b.time.advance(20_000)
    expect(b.record(tool, input)?.state).toBe('executing')
    await b.time.advance(40_000)
    expect(b.record(tool, input)).toMatchObject({ state: 'in-doubt', openSends: 1 })
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('for another reason than the store’s absence leaves nothing to look for', async () => {
    const b = bench()
    const tool = b.tool()
    b.fault = (point) => {
      if (point === 'before-claim') throw coded('BROKEN')
    }
    await b.until(tool(input).catch(() => undefined))
    const verbs = watching(b, b.guard.internals.name(tool.contract, input).key)
    await b.time.advance(60_000)
    expect(verbs).toEqual([])
  })

  it('is looked for until its lease is over, or until somebody else has the record, in the background', async () => {
    for (const taken of [false, true]) {
      const b = bench()
      const tool = b.tool()
      await b.guard.open()
      const { key } = b.guard.internals.name(tool.contract, input)
      b.trouble.request = (verb) => {
        if (verb === 'write') throw unavailable()
      }
      await refusalOf(b.until(tool(input)))
      const other = bench({ beside: b, self: 'host/boot/2/2' })
      if (taken) {
        b.downstream.plan('a', 'lose-answer')
        await refusalOf(other.until(other.tool()(input)))
      }
      const verbs = watching(b, key)
      await settle()
      expect(b.time.timers().filter(({ background }) => !background)).toEqual([])
      await b.time.advance(60_000)
      expect(verbs).toEqual(Array.from({ length: taken ? 1 : 30 }, () => 'read'))
    }
  })

  it('before anything was sent is told as "nothing started", though it was overtaken and the ledger went away', async () => {
    const [a, b] = await pair()
    const tool = a.tool()
    a.fault = async (point, key) => {
      if (point === 'marked') await overtake(a, b, key)
    }
    expect(facts(await refusalOf(a.until(tool(input))))).toMatchObject({ code: 'STORE_UNAVAILABLE', effect: 'none' })
    expect(a.downstream.log).toEqual([])
  })
})

describe('an older name of an operation', () => {
  it('that is in doubt under an older secret is told as that doubt', async () => {
    const b = bench({ keySecret: 'old' })
    b.downstream.plan('a', 'lose-answer')
    await refusalOf(b.until(b.tool()(input)))
    const now = bench({ beside: b, keySecret: 'new', previousSecrets: ['old'] })
    const error = await refusalOf(now.until(now.tool()(input)))
    expect(facts(error)).toMatchObject({ code: 'IN_DOUBT', effect: 'unknown', key: b.record(b.tool(), input)!.key })
    expect(b.downstream.effects('a')).toBe(1)
  })
})

it('under the mark of a loss a transactional tool is applied all the same: its row would be there', async () => {
  const b = onTable()
  await b.inner.open()
  await b.inner.markAmnesia({ at: b.time.storeMs(), lossFrom: 0, why: 'test' })
  expect(await b.until(toolOf(b).perform(input))).toMatchObject({ status: 'committed' })
  expect(b.table.rows('a')).toBe(1)
})

describe('a later round', () => {
  it('keeps its lease while it runs, and is never cut short by the wait budget', async () => {
    const b = bench()
    const { tool } = asking(b, 1, { timeout: '10m' })
    await b.until(tool.perform(input))
    b.downstream.plan('a', 'hold')
    const call = tool.perform(input, { round: 'x' })
    await b.time.advance(120_000)
    expect(b.record(tool, input)?.state).toBe('executing')
    b.downstream.release('a')
    expect(await b.until(call)).toMatchObject({ status: 'committed', replayed: false })
    expect(doubts(b)).toEqual([])
  })

  it('that was sent by another engine in the same moment is not sent again', async () => {
    const [a, b] = await pair()
    const { it: here, tool } = asking(a, 1)
    const { it: there, tool: elsewhere } = asking(b, 1)
    await a.until(tool.perform(input))
    let met = false
    a.trouble.request = async (verb) => {
      if (verb !== 'write' || met) return
      met = true
      await b.until(elsewhere.perform(input, { round: 'x' }))
    }
    expect(facts(await refusalOf(a.until(tool.perform(input, { round: 'x' }))))).toMatchObject({
      code: 'IN_PROGRESS',
      effect: 'unknown',
      details: { round: 2 },
    })
    expect([here.sent, there.sent, a.downstream.effects('a')]).toEqual([1, 1, 0])
  })

  it('whose caller left before it was sent is no proof that nothing happened', async () => {
    const b = bench({ guarantees: { localReads: false } })
    const { it: service, tool } = asking(b, 1)
    await b.until(tool.perform(input))
    const controller = new AbortController()
    let go = (): void => {}
    b.trouble.answer = (verb, _args, answer) =>
      verb === 'write' || verb === 'read' ? new Promise((resolve) => (go = () => resolve(answer))) : undefined
    const call = refusalOf(tool.perform(input, { round: 'x', signal: controller.signal }))
    await settle()
    controller.abort()
    await settle()
    b.trouble.answer = () => undefined
    go()
    expect(facts(await b.until(call))).toMatchObject({ code: 'CANCELLED', effect: 'unknown' })
    await settle()
    expect(service.sent).toBe(1)
  })

  it.each([
    ['that was sent', 'answered', { code: 'IN_DOUBT', effect: 'unknown' }],
    ['that was not sent yet', 'marked', { code: 'STORE_UNAVAILABLE', effect: 'none' }],
  ] as const)('%s is told as such where it was overtaken and the ledger went away', async (_name, when, told) => {
    const [a, b] = await pair()
    const { it: service, tool } = asking(a, 1)
    await a.until(tool.perform(input))
    a.downstream.plan('a', 'refuse')
    a.fault = async (point, key) => {
      if (point === when) await overtake(a, b, key)
    }
    expect(facts(await refusalOf(a.until(tool.perform(input, { round: 'x' }))))).toMatchObject(told)
    expect(service.sent).toBe(when === 'marked' ? 1 : 2)
  })
})

describe('what a send port says of a key', () => {
  it('is true of a text that holds one that the tool was given', async () => {
    const held: boolean[] = []
    let port: SendPort | undefined
    const b = bench({ makeFetch: (given) => ((port = given), async () => new Response()) })
    const tool = b.tool({
      execute: (input: OrderInput, context: { fetch: typeof fetch; downstreamKey(p?: string, o?: string): string }) => {
        void context.fetch
        held.push(port?.holdsKey('') === true)
        const [one, other] = [context.downstreamKey(), context.downstreamKey(undefined, 'mail')]
        for (const text of [one, `{"key":"${other}"}`, one.slice(1), '']) held.push(port?.holdsKey(text) === true)
        return input
      },
    })
    await b.until(tool({ ref: 'a' }))
    expect(held).toEqual([false, true, true, false, false])
  })
})
