/** What `chaos` once took for a clean run, or waited for without end. */
import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { manual, probe } from '../../src/contract/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { chaos, chaosFile, showReport, type ChaosOptions, type Life } from '../../src/testing/index.ts'
import { testGuard } from '../support/guard.ts'

const orders = new Map<string, number>()
const order = (ref: string): void => void orders.set(ref, (orders.get(ref) ?? 0) + 1)
let server: Server
let url = ''

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const snapshot = ({ unique }: { readonly unique: string }): number => orders.get(unique) ?? 0
const single = { snapshot, faults: ['lost-answer'], combinations: 0, onFailure: 'return' } as const

it('nothing is proven where no fault finds its place again', async () => {
  const workflow: ChaosOptions['workflow'] = async ({ unique, tool }) => {
    await tool(randomUUID(), () => order(unique))({})
  }
  const trial = chaos({ ...single, faults: ['error-after'], workflow })
  await expect(trial).rejects.toMatchObject({
    code: 'INPUT_INVALID',
    message: expect.stringContaining('No fault struck: no place of the undisturbed runs was reached again'),
  })
})

it('faults that were not tried are named', async () => {
  const workflow: ChaosOptions['workflow'] = async ({ unique, tool }) => {
    await tool(randomUUID(), () => 0)({})
    await tool('order', () => void orders.set(unique, 1))({})
  }
  const report = await chaos({ ...single, faults: ['error-after'], workflow })
  expect(report.missed).toHaveLength(2)
  expect(report.cases.filter(({ struck }) => struck === 0)).toHaveLength(2)
  expect(showReport(report)).toMatch(
    /2 faults were not tried, as their place was not reached again: tool .*error-after/,
  )
})

it.each([
  ['the number of an order', () => String(Math.floor(Math.random() * 1e6)), '/v1/orders/*'],
  ['a made-up id', () => `ord_${randomUUID()}`, '/v1/orders/*'],
])('a request to a path with %s is found again in every run', async (_what, made, path) => {
  const workflow: ChaosOptions['workflow'] = async ({ unique, fetch }) => {
    orders.set(unique, 1)
    await (await fetch(`${url}/v1/orders/${made()}`, { method: 'POST', body: '{}' })).text()
  }
  const report = await chaos({ ...single, faults: ['reset-mid-body'], workflow })
  expect(report.sites).toContain(`http POST ${path} #1`)
  expect(report).toMatchObject({ ok: true, struck: 1, missed: [] })
})

it('a run that never succeeds again is a failure, though nothing happened twice', async () => {
  const workflow: ChaosOptions['workflow'] = async ({ unique, tool, attempt }) => {
    if (attempt > 1) throw new Error('recorded with another note')
    await tool('order', () => order(unique))({})
  }
  const { failures } = await chaos({ ...single, workflow })
  expect(failures.find(({ faults }) => faults[0]?.site === 'run answered #1')).toMatchObject({
    expected: 1,
    actual: 1,
    notes: ['no execution succeeded: recorded with another note'],
  })
})

it('what the workflow has begun and nobody waits for is given up at the time-out', async () => {
  const workflow: ChaosOptions['workflow'] = async ({ unique, tool, attempt }) => {
    orders.set(unique, 1)
    const gone = tool('wait', () => (attempt > 1 ? new Promise(() => {}) : 0))({})
    if (attempt === 1) await gone
  }
  const { failures, runs, cases } = await chaos({ ...single, workflow, timeoutMs: 200 })
  expect(cases).toHaveLength(runs)
  expect(failures.at(-1)?.notes).toEqual([
    'no execution succeeded: what the workflow had begun had not ended after 0.2 s',
  ])
})

it('a process that a fault keeps from beginning is begun anew', async () => {
  const open = async (life: Life): Promise<string> => await (await life.fetch(`${url}/settings`)).text()
  const workflow: ChaosOptions<string>['workflow'] = async ({ unique, tool }) => {
    await tool('order', () => void orders.set(unique, 1))({})
  }
  const report = await chaos<string>({ ...single, faults: ['lost-answer', 'crash-before'], open, workflow })
  expect(report.sites).toContain('http GET /settings #1')
  expect(report).toMatchObject({ ok: true, missed: [] })
  expect(report.cases.find(({ faults }) => faults[0]?.fault === 'crash-before')?.processes).toBe(2)
})

it('doubts that others left in the ledger are neither settled nor told', async () => {
  const store = memoryStore()
  const guard = testGuard({ store })
  const unanswered = (): never => {
    throw new Error('no answer')
  }
  const earlier = Array.from({ length: 101 }, (_, nth) =>
    guard.once(`earlier-${nth}`, unanswered).catch(() => undefined),
  )
  await Promise.all(earlier)
  const asked: (string | undefined)[] = []
  const report = await chaos({
    ...single,
    open: (life) =>
      life.onefold({ store }).tool({
        name: 'order',
        input: z.object({ ref: z.string() }),
        effect: 'write',
        identity: ['ref'],
        recovery: manual(),
        execute: ({ ref }) => order(ref),
      }),
    workflow: async ({ app, unique, tool }) => await tool('order', app)({ ref: unique }),
    faults: ['crash-after'],
    person: (record) => {
      asked.push(record.tool)
      return orders.has((JSON.parse(record.input ?? '{}') as { ref: string }).ref)
    },
  })
  expect(report.failures).toEqual([])
  expect(asked.length).toBeGreaterThan(0)
  expect(asked.length).toBeLessThan(10)
  await guard.close()
})

it('a service that takes its time is no failure of a tool that looks before it sends again', async () => {
  const store = memoryStore()
  const slow = createServer((request, response) => {
    const [, ref = ''] = (request.url ?? '').split('?')
    // Long after the process that sent it has died and the next one has looked.
    setTimeout(
      () => {
        if (request.url?.startsWith('/slow') === true) order(ref)
        response.end('{}')
      },
      request.url?.startsWith('/slow') === true ? 150 : 0,
    )
  })
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
  const at = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`
  const report = await chaos({
    ...single,
    faults: ['crash-after'],
    open: (life) => {
      const guard = life.onefold({ store })
      const tool = (name: string) =>
        guard.tool({
          name,
          input: z.object({ ref: z.string() }),
          effect: 'write',
          identity: ['ref'],
          recovery: probe(
            ({ ref }: { readonly ref: string }) =>
              orders.has(ref) ? { found: true, value: { ok: true } } : { found: false },
            {
              settle: '0ms',
            },
          ),
          execute: async ({ ref }, context) => {
            await context.fetch(`${at}/${name}?${ref}`, { method: 'POST' })
            return { ok: true }
          },
        })
      return { quick: tool('quick'), slow: tool('slow') }
    },
    // The quick one crashes the process while the other's request is on its way.
    workflow: async ({ app, unique }) => {
      await Promise.all([app.slow({ ref: unique }), app.quick({ ref: `quick ${unique}` })])
    },
  })
  slow.close()
  expect(report.sites).toEqual(expect.arrayContaining(['http POST /quick #1', 'http POST /slow #1']))
  expect(report.failures).toEqual([])
})

it('an effect that comes after the end is seen at a second look', async () => {
  const late: (() => void)[] = []
  const report = await chaos({
    ...single,
    workflow: async ({ unique, tool }) => {
      await tool('order', () => {
        if (orders.has(unique)) late.push(() => order(unique))
        else order(unique)
      })({})
    },
    snapshot: (about) => {
      const now = snapshot(about)
      for (const act of late.splice(0)) act()
      return now
    },
  })
  expect(report.failures.length).toBeGreaterThan(0)
  for (const failure of report.failures)
    expect(failure).toMatchObject({ expected: 1, actual: 2, notes: [expect.stringContaining('changed after that')] })
})

it('an unsteady workflow is told from a disturbed one', async () => {
  let run = 0
  const workflow: ChaosOptions['workflow'] = async ({ unique, tool }) => {
    run += 1
    await tool(run > 2 ? 'later' : 'order', () => void orders.set(unique, run > 2 ? 2 : 1))({})
  }
  const trial = chaos({ ...single, faults: ['error-after'], workflow })
  await expect(trial).rejects.toThrow(/Two undisturbed runs end in different states/)
})

it('no two copies of the kit in one process, as test runners make them, have runs of one name', async () => {
  const names = new Set<string>()
  const workflow: ChaosOptions['workflow'] = ({ unique, tool }) => {
    names.add(unique)
    return tool('order', () => void orders.set(unique, 1))({})
  }
  const only = { ...single, workflow, faults: ['error-after'] } as const
  const { runs } = await chaos(only)
  vi.resetModules()
  const copy = await import('../../src/testing/index.ts')
  await copy.chaos(only)
  expect(names.size).toBe(2 * (runs + 2))
})

it.each(['delayMs', 'open', 'person', 'reset', 'settle', 'snapshot', 'workflow'])(
  'chaosFile refuses an override that the processes of the file would not see: %s',
  async (name) => {
    const overrides = { [name]: name === 'delayMs' ? 1 : () => undefined }
    await expect(chaosFile('workflow.ts', overrides)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`cannot take ${name} here`),
    })
  },
)

it.each(['reset', 'snapshot'])('a %s that does not come back is not waited for without end', async (hook) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const never = (): Promise<never> => new Promise(() => {})
    const trial = chaos({ ...single, workflow: () => Promise.resolve(), [hook]: never }).catch(
      (error: unknown) => error,
    )
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await trial).toMatchObject({ code: 'INPUT_INVALID', message: `${hook} had not ended after 60 s.` })
  } finally {
    vi.useRealTimers()
  }
})
