import { describe, expect, it } from 'vitest'
import { bench, coded, facts, refusalOf, type OrderInput } from './bench.ts'
import { doubted } from './corners.ts'

describe('idempotent, composite, manual', () => {
  it('is applied again while its precondition holds', async () => {
    const seen: unknown[] = []
    const { b, tool } = await doubted(
      () => ({
        class: 'idempotent',
        precondition: (input: OrderInput, context: { attempt: number }) => {
          seen.push(input.ref, context.attempt)
          return true
        },
      }),
      'lose-request',
    )
    expect(await b.until(tool.perform({ ref: 'a' }))).toMatchObject({ status: 'committed', attempts: 2 })
    expect(seen).toEqual(['a', 1])
  })

  it.each([
    ['does not hold', () => false, 'precondition-failed', 'does not hold'],
    [
      'cannot be checked',
      () => {
        throw coded('EPIPE')
      },
      'recovery-failed',
      'could not be checked: Error EPIPE',
    ],
    ['answers neither', () => ({ holds: false }), 'recovery-failed', 'could not be checked: TypeError'],
  ])('not where it %s', async (_name, precondition, reason, evidence) => {
    const { b, tool, key } = await doubted(() => ({ class: 'idempotent', precondition }), 'lose-answer')
    const outcome = await b.until(tool.perform({ ref: 'a' }, { onDoubt: 'return', waitMs: 100 }))
    expect(outcome.status).toBe('in-doubt')
    expect(b.recordOf(key)?.reason).toBe(reason)
    expect(b.recordOf(key)?.evidence.at(-1)?.what).toContain(evidence)
    expect(b.downstream.effects('a')).toBe(1)
  })

  it('a composite runs again, and its children replay', async () => {
    const b = bench()
    let fails = true
    const child = b.tool({ name: 'child' })
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async (input: OrderInput) => {
        const placed = await child({ ref: `${input.ref}-1` })
        if (fails) {
          fails = false
          throw coded('ECONNRESET')
        }
        return placed
      },
    })
    const outcome = await b.until(parent.perform({ ref: 'a' }))
    expect(outcome).toMatchObject({ status: 'committed', value: { id: 1, ref: 'a-1' }, attempts: 2 })
    expect(b.downstream.effects('a-1')).toBe(1)
    const record = b.record(parent, { ref: 'a' })!
    expect(record.children).toEqual([b.record(child, { ref: 'a-1' })!.key])
    expect((await b.history(record.key)).filter((step) => step.startsWith('adopted'))).toHaveLength(1)
  })

  it('a composite whose parts changed has diverged', async () => {
    const b = bench()
    const child = b.tool({ name: 'child' })
    let run = 0
    const errors: unknown[] = []
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async () => {
        run += 1
        if (run === 1) {
          await child({ ref: 'x' })
          throw coded('ECONNRESET')
        }
        errors.push(await refusalOf(child({ ref: 'y' })))
        return 1
      },
    })
    await b.until(parent({ ref: 'a' }))
    const record = b.record(parent, { ref: 'a' })!
    expect(facts(errors[0])).toMatchObject({
      code: 'DIVERGED',
      effect: 'none',
      key: record.key,
      details: { ordinal: 0, recorded: record.children[0] },
    })
    expect((errors[0] as Error).message).toContain('Part 1 of parent')
    expect(b.downstream.effects('y')).toBe(0)
  })

  it('a composite that lost its claim starts no part', async () => {
    const b = bench()
    const child = b.tool({ name: 'child' })
    const errors: unknown[] = []
    const parent = b.tool({
      name: 'parent',
      recovery: { class: 'composite' },
      execute: async () => {
        const { key } = b.record(parent, { ref: 'a' })!
        await b.inner.write({
          key,
          tenant: 'default',
          expect: b.recordOf(key)!.revision,
          draft: { ...b.recordOf(key)!, nonce: 'theirs', leaseMs: undefined },
          event: { transition: 'x', from: 'executing', to: 'executing', fence: 1, nonce: '', who: '', openSends: 1 },
        })
        errors.push(await refusalOf(child({ ref: 'x' })))
        return 1
      },
    })
    await b.until(parent({ ref: 'a' }, { waitMs: 10 }).catch(() => undefined))
    expect(facts(errors[0])).toMatchObject({
      code: 'CANCELLED',
      effect: 'none',
      key: b.record(parent, { ref: 'a' })?.key,
    })
    expect(b.downstream.effects('x')).toBe(0)
  })

  it('a manual one is left to people', async () => {
    const { b, tool, key } = await doubted(() => ({ class: 'manual' }), 'lose-answer')
    await refusalOf(b.until(tool({ ref: 'a' })))
    await b.time.advance(120_000)
    expect(await b.history(key)).toEqual(["T1' absent>executing", 'T8 executing>in-doubt'])
  })
})
