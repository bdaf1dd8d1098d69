import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { OnefoldError } from '../../error/index.ts'
import { chaosIn } from './chaos.ts'
import { kindOf } from './faults.ts'
import type { Order, Word } from './life-messages.ts'
import { loadWorkflow } from './load-workflow.ts'
import type { AttemptEnd } from './local-life.ts'
import { knownChaos, type ChaosOptions } from './options.ts'
import type { ChaosReport } from './report.ts'
import type { Host } from './run-scenario.ts'
import { partOf } from './trouble.ts'
import type { Settlement } from './settle-guards.ts'

/** What every process of a run takes from the file itself. */
const OF_THE_FILE = ['delayMs', 'open', 'person', 'reset', 'settle', 'snapshot', 'workflow'] as const

type Given = Omit<ChaosOptions, (typeof OF_THE_FILE)[number]>

/**
 * {@link chaos} over a module that exports its options as `chaos`: each process of a run is a real one, and a crash a
 * real SIGKILL. `snapshot` and `reset` are called in this process.
 * @throws AssertionError as `chaos` does
 * @throws OnefoldError CONFIG_INVALID for an override that its processes would not see. @throws OnefoldError INPUT_INVALID for a file that exports no workflow and snapshot, or whose parts other than the workflow throw
 */
export async function chaosFile(file: string, overrides: Partial<Given> = {}): Promise<ChaosReport> {
  for (const name of OF_THE_FILE) {
    if ((overrides as Partial<ChaosOptions>)[name] === undefined) continue
    throw new OnefoldError(
      'CONFIG_INVALID',
      `chaosFile cannot take ${name} here, since its processes would not see it: put it into chaos of ${file}. Nothing was run.`,
    )
  }
  const options = await partOf(file, 'the module', () => loadWorkflow(file))
  if (typeof options?.workflow !== 'function' || typeof options.snapshot !== 'function') {
    throw new OnefoldError(
      'INPUT_INVALID',
      `${file} does not export chaos with workflow and snapshot: export const chaos = { open, workflow, snapshot }. Nothing was run.`,
    )
  }
  knownChaos({ ...options, ...overrides })
  const living = new Set<ChildProcess>()
  const world = {
    host: processHost(file, living),
    reset: () => partOf(file, 'reset', () => options.reset?.()),
    snapshot: (names: { readonly runId: string; readonly unique: string }) =>
      partOf(file, 'snapshot', () => options.snapshot(names)),
    forgets: options.reset !== undefined,
  }
  const { faults, combinations, seed, timeoutMs } = options
  try {
    return await chaosIn(world, { ...defined({ faults, combinations, seed, timeoutMs }), ...overrides })
  } finally {
    // A run that was given up leaves its processes.
    for (const child of living) child.kill('SIGKILL')
  }
}

const defined = <T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never

type Payload = Order extends infer O ? (O extends Order ? Omit<O, 'id'> : never) : never

function processHost(file: string, living: Set<ChildProcess>): Host {
  const isSource = import.meta.url.endsWith('.ts')
  const program = fileURLToPath(new URL(`./life.process.${isSource ? 'ts' : 'js'}`, import.meta.url))
  return {
    begin: async (sites, names, number) => {
      const child = fork(program, [file], {
        execArgv: [...process.execArgv, ...(isSource ? ['--conditions=onefold-source'] : [])],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
      living.add(child)
      const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
      let orders = 0
      let over = false
      const ended = new Promise<void>((resolve) => {
        child.once('exit', () => {
          over = true
          living.delete(child)
          for (const { resolve: tell } of waiting.values()) tell('crashed')
          waiting.clear()
          resolve()
        })
      })
      child.on('message', (word: Word) => {
        if (word.type === 'reached') sites.reach(kindOf(word.site), nameOf(word.site))
        else if (word.type === 'dying') sites.skewMs = Math.max(sites.skewMs, word.skewMs)
        else {
          const one = waiting.get(word.id)
          waiting.delete(word.id)
          if (word.type === 'failed')
            return one?.reject(new OnefoldError('INPUT_INVALID', `${file}: ${word.why}. Nothing was proven.`))
          sites.skewMs = Math.max(sites.skewMs, word.skewMs)
          sites.since ??= word.since
          for (const kind of ['http', 'tool'] as const)
            sites.slowest[kind] = Math.max(sites.slowest[kind], word.slowest?.[kind] ?? 0)
          one?.resolve(word.value)
        }
      })
      const ask = (payload: Payload): Promise<unknown> => {
        if (over) return Promise.resolve('crashed')
        return new Promise((resolve, reject) => {
          const id = ++orders
          waiting.set(id, { resolve, reject })
          // What it cannot be told any more is answered by its end.
          child.send({ ...payload, id } as Order, () => undefined)
        })
      }
      try {
        await ask({ type: 'begin', plan: sites.plan, memory: sites.memory(), names, number })
      } catch (error) {
        child.kill('SIGKILL')
        await ended
        throw error
      }
      return {
        attempt: async (nth) => {
          const end = (await ask({ type: 'attempt', nth })) as AttemptEnd | 'crashed'
          if (end !== 'crashed' && end.kind !== 'crashed') return end
          // The next process begins when this one is really gone.
          await ended
          return { kind: 'crashed' }
        },
        settle: async (withinMs) => {
          const settled = (await ask({ type: 'settle', withinMs })) as Settlement | 'crashed'
          if (settled === 'crashed') await ended
          return settled
        },
        abandon: async () => {
          child.kill('SIGKILL')
          await ended
        },
        end: async () => {
          if (over) return
          await ask({ type: 'end' })
          await ended
        },
      }
    },
  }
}

const nameOf = (site: string): string => site.slice(site.indexOf(' ') + 1, site.lastIndexOf(' #'))
