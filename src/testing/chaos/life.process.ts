/** One process of a run of `chaosFile`: `node life.process.js FILE`, told over IPC what to do. It kills itself where planned. */
import type { Order, Word } from './life-messages.ts'
import { localLife, type LifeHandle } from './local-life.ts'
import { loadWorkflow } from './load-workflow.ts'
import { troubleOf } from './trouble.ts'
import { createSites, type Sites } from './sites.ts'

const say = (word: Word, then?: () => void): void => void process.send?.(word, () => then?.())

let life: LifeHandle | undefined
let sites: Sites | undefined

async function obey(order: Order): Promise<Extract<Word, { type: 'answer' }>['value']> {
  if (order.type === 'begin') {
    const chaos = await loadWorkflow(process.argv[2] ?? '')
    if (chaos === undefined) throw new Error('it exports no chaos')
    sites = createSites(order.plan, order.memory, (site, fault) => say({ type: 'reached', site, fault }))
    life = await localLife({
      chaos,
      sites,
      names: order.names,
      number: order.number,
      die: () => say({ type: 'dying', skewMs: sites?.skewMs ?? 0 }, () => process.kill(process.pid, 'SIGKILL')),
    })
    return null
  }
  if (life === undefined) throw new Error('the process has not begun')
  if (order.type === 'attempt') return await life.attempt(order.nth)
  if (order.type === 'settle') return await life.settle(order.withinMs)
  await life.end()
  return null
}

process.on('message', (order: Order) => {
  void obey(order).then(
    (value) =>
      say(
        {
          type: 'answer',
          id: order.id,
          value,
          skewMs: sites?.skewMs ?? 0,
          since: sites?.since,
          slowest: sites?.slowest,
        },
        () => {
          if (order.type === 'end') process.exit(0)
        },
      ),
    (error: unknown) =>
      say({
        type: 'failed',
        id: order.id,
        why: troubleOf(error),
      }),
  )
})
process.on('disconnect', () => process.exit(1))
