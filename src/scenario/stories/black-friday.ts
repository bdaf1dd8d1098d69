import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keyed, manual } from '../../contract/index.ts'
import type { ProtectedTool } from '../../engine/index.ts'
import type { Call, Done, Stage, StageTool } from '../stage.ts'
import { story, type Story } from '../story.ts'

interface Order {
  readonly order: string
  readonly note?: string
}

/** Places an order at a service that honours keys. */
export const orderTool = (stage: Stage, name = 'place_order'): Call<Order, Done> =>
  stage.tool({
    name,
    identity: ['order'],
    ignore: ['note'],
    recovery: keyed('24h'),
    execute: ({ order, note }, context) => stage.send(`order/${order}`, { note }, context),
  })

interface Status {
  readonly order: string
  readonly status: 'PENDING' | 'CONFIRMED' | 'CANCELLED'
}

/** The stories of an inventory agent behind a retrying gateway. */
export const BLACK_FRIDAY: readonly Story[] = [
  story('BF-1', 'one run id through every retry, sub-agent and request', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/7', 'lose-answer', 'fail-after')
    const request = (): Promise<unknown> =>
      stage.run({ id: 'request-1' }, async () => {
        await stage.retrying(3, () => order({ order: '7' }))
        await Promise.all([order({ order: '8' }), order({ order: '9' })])
      })
    await request()
    await stage.again(request)
    const runs = await stage.town.requests(stage.ref('order/7'))
    stage.expect(
      runs.length > 0 && runs.every((headers) => headers['onefold-run'] === 'request-1'),
      'every request carries the run',
    )
  }),

  story('BF-2', 'calls without an identity of their own are counted within the run', async (stage) => {
    const advance = stage.tool<Record<string, never>, Done>({
      name: 'advance_batch',
      identity: 'sequence',
      recovery: keyed('24h'),
      execute: (_, context) => stage.send('batch', {}, context),
    })
    await stage.fault('batch', 'none', 'lose-answer')
    const workflow = (): Promise<void> =>
      stage.run({ id: 'night-1' }, async () => {
        await advance({})
        await stage.retrying(3, () => advance({}))
      })
    await workflow()
    await stage.again(workflow)
    const keys = (await stage.town.requests(stage.ref('batch'))).map((headers) => headers['idempotency-key'])
    stage.expect(keys.every((key) => key !== undefined) && new Set(keys).size === 2, 'two keys for two calls')
  }),

  story('BF-3', 'done before: the first answer; failed before the effect: run again', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/b', 'lose-request')
    const first = await order({ order: 'a' })
    const again = await stage.again(() => order({ order: 'a' }))
    await stage.retrying(3, () => order({ order: 'b' }))
    await order({ order: 'c' })
    stage.expect(again?.id === first.id, 'the repeat gets the first answer')
  }),

  story('BF-4', 'only what provably failed before the effect is retried without a question', async (stage) => {
    let tries = 0
    const order = stage.tool<{ readonly order: string }, Done>({
      name: 'place_order',
      identity: ['order'],
      recovery: manual(),
      execute: async ({ order: name }, context) => {
        if (name === 'refused' && stage.mode !== 'baseline' && (tries += 1) === 1)
          await context.fetch(await closedDoor(), { method: 'POST' })
        return stage.send(`plain/order/${name}`, {}, context)
      },
    })
    await stage.fault('plain/order/after', 'fail-after')
    await stage.retrying(3, () => order({ order: 'refused' }))
    await stage.retrying(3, () => order({ order: 'after' }))
  }),

  story('BF-6', 'a slow model makes the gateway retry the whole workflow', async (stage) => {
    const order = orderTool(stage)
    const reserve = orderTool(stage, 'reserve')
    const workflows: Promise<unknown>[] = []
    // The gateway gives up on a workflow that goes on all the same, and starts another.
    const workflow = (): Promise<void> =>
      stage.run({ id: 'checkout-1' }, async () => {
        await reserve({ order: 'stock-1' })
        await new Promise((resolve) => setTimeout(resolve, stage.mode === 'baseline' ? 0 : 60))
        await order({ order: '1' })
      })
    const tried = (): Promise<unknown> => {
      workflows.push(workflow())
      return Promise.race([
        workflows.at(-1),
        new Promise((_, reject) => setTimeout(() => reject(new Error('504')), 30).unref()),
      ])
    }
    if (stage.mode === 'baseline') await workflow()
    else await stage.retrying(3, tried)
    await Promise.allSettled(workflows)
  }),

  story('BF-7', 'the model that is asked again words and orders it differently', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/b', 'lose-answer')
    await stage.run({ id: 'ask-1' }, async () => {
      await order({ order: 'a', note: 'for Ada' })
      await stage.retrying(1, () => order({ order: 'b', note: 'please hurry' }))
    })
    await stage.again(() =>
      stage.run({ id: 'ask-1' }, async () => {
        await order({ order: 'b', note: 'this one is urgent' })
        await order({ order: 'a', note: 'to Ms Lovelace' })
      }),
    )
  }),

  story('BF-9', 'each status of an order once: no cycling', async (stage) => {
    const update = stage.tool<Status, Done>({
      name: 'update_order_status',
      identity: ['order', 'status'],
      recovery: keyed('24h'),
      execute: ({ order, status }, context) => stage.send(`status/${order}/${status}`, {}, context),
    })
    await stage.fault('status/7/CONFIRMED', 'fail-after')
    const agent = async (): Promise<void> => {
      await update({ order: '7', status: 'PENDING' })
      try {
        await update({ order: '7', status: 'CONFIRMED' })
      } catch {
        // The model is told that it failed, and cancels what was confirmed.
        await update({ order: '7', status: 'CANCELLED' })
        throw new Error('try again')
      }
    }
    await stage.retrying(3, () => stage.run({ id: 'order-7' }, agent))
    await stage.again(() => stage.run({ id: 'order-7' }, agent))
  }),

  story(
    'BF-11',
    'a host that reads the exported contract does not retry what a person has to settle',
    async (stage) => {
      const mail = stage.tool<{ readonly to: string }, Done>({
        name: 'send_mail',
        identity: ['to'],
        recovery: manual(),
        execute: ({ to }, context) => stage.send(`plain/mail/${to}`, {}, context),
      })
      await stage.fault('plain/mail/bob', 'lose-answer')
      await stage.retrying(1, () => mail({ to: 'ann' }))
      const contract = stage.guard?.contracts().find(({ name }) => name === 'send_mail')
      const retries = contract?.recovery?.class === 'manual' ? 1 : 3
      await stage.retrying(retries, () => mail({ to: 'bob' }))
      stage.expect(JSON.stringify(contract?.identity) === '["to"]', 'the contract is exported')
    },
  ),

  story(
    'BF-13',
    'doctor counts what stands in front of a write: 3 tries of an SDK in 4 of the gateway',
    async (stage) => {
      const order = orderTool(stage)
      stage.expect((await doctorOnRetries()).includes('12 times'), 'doctor multiplies the layers')
      await stage.fault('order/1', ...Array.from({ length: 11 }, () => 'fail-after' as const))
      await stage.retrying(4, () =>
        stage.run({ id: 'request-1' }, async () => {
          const placed = await stage.retrying(3, () => order({ order: '1' }))
          if (placed === undefined) throw new Error('the framework gave up')
        }),
      )
    },
  ),

  story(
    'BF-12',
    'several effects as a whole: the last is refused, and what was done is undone, once',
    async (stage) => {
      const declared: Declared = (name) => ({
        name,
        identity: ['order'],
        recovery: keyed('24h'),
        errors: [{ match: 422, effect: 'none' }],
        execute: ({ order }, context) => stage.send(`${name}/${order}`, {}, context),
      })
      // Nobody can ship it, with or without faults.
      await stage.town.plan(stage.ref('ship/1'), ...Array.from({ length: 9 }, () => 'refuse' as const))
      await stage.fault('charge/1', 'lose-answer')
      await stage.fault('refund/1', 'fail-after')
      const whole = sagaOf(stage, declared) ?? bareSaga(stage, declared)
      await stage.retrying(1, whole)
      await stage.again(() => stage.retrying(1, whole))
    },
  ),

  story('BF-14', "the tool's own process stops duplicates; its callers know nothing", async (stage) => {
    const order = orderTool(stage)
    // Three orchestrators, each with its own idea of a request, none with a run or a key.
    await order({ order: '1' })
    await stage.again(() => Promise.all([1, 2, 3].map((n) => order({ order: '1', note: `orchestrator ${n}` }))))
  }),
]

/** An address where nobody listens: a refused connection carries no byte. */
async function closedDoor(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}/`
}

/** What `onefold doctor --retries` says of a project with an SDK that retries, behind a gateway that does. */
async function doctorOnRetries(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-doctor-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "dependencies": { "openai": "^7.0.0" } }')
    const program = fileURLToPath(new URL('../../../bin/onefold.js', import.meta.url))
    const child = spawn(process.execPath, [program, 'doctor', '--retries', '--layer', 'gateway=4x30s', '--json'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let told = ''
    for await (const chunk of child.stdout) told += String(chunk)
    return told
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Step {
  readonly order: string
}
type StepName = 'reserve' | 'charge' | 'ship' | 'refund' | 'release'
type Declared = (name: StepName) => StageTool<Step, Done>

function sagaOf(stage: Stage, declared: Declared): (() => Promise<unknown>) | undefined {
  const tool = (name: StepName): ProtectedTool<never, unknown> => stage.protect(declared(name)) as never
  const input = ({ order }: Step): Step => ({ order })
  const saga = stage.guard?.saga<Step>('fulfil', [
    { tool: tool('reserve'), input, undo: { tool: tool('release'), input } },
    { tool: tool('charge'), input, undo: { tool: tool('refund'), input } },
    { tool: tool('ship'), input },
  ])
  return saga === undefined ? undefined : () => saga({ order: '1' })
}

/** The same by hand: each call is retried, and so is the whole. */
function bareSaga(stage: Stage, declared: Declared): () => Promise<unknown> {
  const step = (name: StepName): Promise<Done | undefined> =>
    stage.retrying(2, () => stage.tool(declared(name))({ order: '1' }))
  return async () => {
    await step('reserve')
    await step('charge')
    if ((await step('ship')) !== undefined) return
    await step('refund')
    await step('release')
  }
}
