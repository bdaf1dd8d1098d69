import { describe, expect, it } from 'vitest'
import { overBudget, spend, type Payer } from './budget.ts'
import { createLines } from './lines.ts'

const request = (operation = 'POST /a') => createLines().begin(operation, '', undefined)

/** Attempts that go out before the budget says no; at most ten. */
function attempts(payer: Payer, of = request(), budget = {}): number {
  for (let n = 0; n < 10; n += 1) {
    if (overBudget(payer, of, budget, 'test') !== undefined) return n
    spend(payer, of)
  }
  return 10
}

describe('the retry budget', () => {
  it('lets a call make five retries, over all its requests', () => {
    const payer = { tool: 't', tenant: 'a', run: undefined }
    expect(attempts(payer)).toBe(6)
    expect(attempts(payer)).toBe(1)
    expect(attempts({ tool: 't', tenant: 'a', run: undefined })).toBe(6)
  })

  it('of a run holds over its calls, and by tenant and id of the run', () => {
    const payer = (): Payer => ({ tool: 't', tenant: 'a', run: 'budget-run' })
    expect(attempts(payer(), request(), { run: 3 })).toBe(4)
    expect(attempts(payer(), request(), { run: 3 })).toBe(1)
    expect(attempts({ tool: 't', tenant: 'a', run: 'another' }, request(), { run: 3 })).toBe(4)
    expect(attempts({ tool: 't', tenant: 'b', run: 'budget-run' }, request(), { run: 3 })).toBe(4)
  })

  it('does not count reads', () => {
    expect(attempts({ tool: 't', tenant: 'a', run: 'reads' }, request('GET /a'), { call: 0, run: 0 })).toBe(10)
  })

  it('says what was not sent, and that earlier attempts stand', () => {
    const payer = { tool: 'refund', tenant: 'a', run: 'r' }
    const of = request('POST /v1/refunds')
    spend(payer, of)
    const error = overBudget(payer, of, { call: 0 }, 'stripe 23.1.0')
    expect(error).toMatchObject({ code: 'RETRY_BUDGET_EXHAUSTED', effect: 'none', retryable: false })
    expect(error?.message).toContain('attempt 2 of POST /v1/refunds (stripe 23.1.0) was not sent')
  })

  it('tells no key that stands in a path', () => {
    const payer = { tool: 'notify', tenant: 'a', run: undefined }
    const of = request('POST /bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage')
    spend(payer, of)
    const error = overBudget(payer, of, { call: 0 }, 'fetch')
    expect(error?.message).toContain('attempt 2 of POST /…/sendMessage (fetch) was not sent')
    expect(JSON.stringify([error?.message, error?.details])).not.toContain('AAHdq')
  })
})
