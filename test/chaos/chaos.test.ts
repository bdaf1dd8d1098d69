import { AssertionError } from 'node:assert'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyed } from '../../src/contract/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { chaos, junit, showReport, type ChaosOptions, type RunContext } from '../../src/testing/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { orderTool, place, type OrderInput } from '../support/order-tool.ts'

let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream()
})

afterAll(async () => await downstream.close())

type Tool = (order: OrderInput) => Promise<unknown>

/** An agent that reserves stock and then places the order, as its model tells it to. */
async function sell({ app, unique, tool, model }: RunContext<Tool>): Promise<void> {
  const plan = await model(() => ['reserve', 'order'])
  for (const step of plan) await tool(step, app)({ ref: `${step}-${unique}` })
}

const books = async (unique: string): Promise<unknown> => ({
  reserved: await downstream.effects(`reserve-${unique}`),
  ordered: await downstream.effects(`order-${unique}`),
})

const bare: ChaosOptions<Tool> = {
  open: (life) => (order) => place(downstream, order, life.fetch),
  workflow: sell,
  snapshot: ({ unique }) => books(unique),
}

const store = memoryStore()
const guarded: ChaosOptions<Tool> = {
  ...bare,
  open: (life) => orderTool(life.onefold({ store }), downstream, { recovery: keyed('24h') }),
}

describe('a workflow that never ends', () => {
  const waiting = new Promise<never>(() => {})

  it('is given up at its time-out, undisturbed as well', async () => {
    const stuck = chaos({ ...bare, workflow: () => waiting, timeoutMs: 50 })
    await expect(stuck).rejects.toThrow('The undisturbed workflow did not succeed: it had not ended after 0.05 s')
  })

  it('after a fault: that is the failure, and the other faults are tried', { timeout: 60_000 }, async () => {
    const workflow = async (run: RunContext<Tool>): Promise<void> => {
      await sell(run)
      if (run.attempt > 1) await waiting
    }
    const only = { faults: ['lost-answer'], combinations: 0, onFailure: 'return', timeoutMs: 1_000 } as const
    const report = await chaos({ ...guarded, ...only, workflow })
    expect(report.failures.length).toBeGreaterThan(0)
    expect(report.failures[0]?.notes).toContain('no execution succeeded: it had not ended after 1 s')
    expect(report.cases.length).toBe(report.runs)
  })
})

describe('a workflow whose model is slower than the gateway waits', () => {
  it('is run twice, and ends as if it had run once [BF-6]', { timeout: 60_000 }, async () => {
    const only = { faults: ['delay'], combinations: 0, onFailure: 'return' } as const
    const control = await chaos({ ...bare, ...only })
    const late = control.failures.find(({ faults }) => faults[0]?.site === 'model call #1')
    expect(late).toMatchObject({ expected: { reserved: 1, ordered: 1 }, actual: { reserved: 2, ordered: 2 } })
    const run = await chaos({ ...guarded, ...only })
    expect(run.baseline).toEqual({ reserved: 1, ordered: 1 })
    expect(showReport(run)).toContain('Every run ended in the state of the undisturbed one.')
    const retried = run.cases.find(({ faults }) => faults[0]?.site === 'model call #1')
    expect(retried).toMatchObject({ ok: true, executions: 2 })
  })

  it('survives every single fault and combinations of them', { timeout: 120_000 }, async () => {
    const report = await chaos({ ...guarded, combinations: 10 })
    expect(report).toMatchObject({ ok: true, baseline: { reserved: 1, ordered: 1 } })
    expect(report.struck).toBeGreaterThanOrEqual(report.runs - 10)
    expect(report.sites).toContain('http POST /effects/order-* #1')
  })
})

describe('what the kit says', () => {
  it('throws the smallest faults with seed and both states, and as JUnit XML', { timeout: 60_000 }, async () => {
    const failed: unknown = await chaos({ ...bare, faults: ['lost-answer'], combinations: 2, seed: 7 }).catch(
      (e: unknown) => e,
    )
    expect(failed).toBeInstanceOf(AssertionError)
    const { message } = failed as AssertionError
    expect(message).toContain('seed 7 · tool reserve #1: lost-answer')
    expect(message).toMatch(/undisturbed +│ with the fault/)
    expect(message).toMatch(/"reserved": 1, +≠ {3}"reserved": 2,/)
    const report = await chaos({ ...bare, faults: ['lost-answer'], combinations: 0, onFailure: 'return' })
    const xml = junit('sell & <ship>', report)
    expect(xml).toContain(
      `<testsuite name="sell &amp; &lt;ship&gt;" tests="${report.runs}" failures="${report.failures.length}">`,
    )
    expect(xml.match(/<failure /g)).toHaveLength(report.failures.length)
  })

  it('shrinks a combination to the faults that it takes', { timeout: 60_000 }, async () => {
    // Honours its key once: the second repeat has another.
    const forgetful: ChaosOptions = {
      workflow: async ({ unique, tool, fetch }) => {
        await tool('order', async (_input: object, { attempt }) => {
          const headers = { 'idempotency-key': `${unique}-${attempt < 3 ? 'a' : 'b'}` }
          const answer = await fetch(`${downstream.url}/effects/${unique}`, { method: 'POST', body: '{}', headers })
          return await answer.text()
        })({})
      },
      snapshot: ({ unique }) => downstream.effects(unique),
      faults: ['lost-answer'],
      combinations: 30,
      onFailure: 'return',
    }
    const report = await chaos(forgetful)
    expect(report.failures.length).toBeGreaterThan(0)
    for (const { faults, actual } of report.failures) {
      expect(faults).toHaveLength(2)
      expect(actual).toBe(2)
    }
    const again = await chaos(forgetful)
    expect(again.cases.map(({ faults }) => faults)).toEqual(report.cases.map(({ faults }) => faults))
    const other = await chaos({ ...forgetful, seed: 2 })
    expect(other.cases.map(({ faults }) => faults)).not.toEqual(report.cases.map(({ faults }) => faults))
  })

  it('proves nothing by a snapshot that does not see the effects, and says so', async () => {
    let orders = 0
    const workflow: typeof sell = async ({ app, unique, tool }) => {
      await tool('order', app)({ ref: unique })
      orders = await downstream.effects(unique)
    }
    const trial = chaos({ ...bare, workflow, snapshot: () => ({ orders: 'many' }) })
    await expect(trial).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('nothing would be proven'),
    })
    expect(orders).toBe(1)
  })

  it('refuses what cannot be judged', async () => {
    let n = 0
    const tooled: ChaosOptions['workflow'] = ({ tool }) => tool('nothing', () => 1)({})
    await expect(chaos({ workflow: tooled, snapshot: () => ++n })).rejects.toThrow(
      /Two undisturbed runs end in different/,
    )
    const failing: ChaosOptions['workflow'] = () => Promise.reject(new Error('no such model'))
    await expect(chaos({ workflow: failing, snapshot: () => 1 })).rejects.toThrow(/did not succeed: no such model/)
    const idle = chaos({ workflow: () => 1, snapshot: () => 1, faults: ['pause'] })
    await expect(idle).rejects.toThrow(/no call that can be disturbed/)
  })
})
