import {
  createGuard,
  type Guard,
  type Outcome,
  type PerformOptions,
  type ProtectedTool,
  type UndeclaredPolicy,
} from '../../src/engine/index.ts'
import { storeLink } from './link.ts'
import { Process } from './life.ts'
import { spoolOf } from './spool.ts'
import { fetchOf, toolsOf, type Input, type Tool } from './tools.ts'
import type { Want } from './agent.ts'
import type { Call } from './told.ts'
import type { Host, World } from './world.ts'

/** What a tool without a contract gets where nobody chose. */
const UNDECLARED: UndeclaredPolicy = { afterDelivery: 'run', afterError: 'hold' }

/** How a simulated caller calls. */
export type Asked = Pick<
  PerformOptions,
  'signal' | 'onDoubt' | 'occurrence' | 'idempotencyKey' | 'confirm' | 'run' | 'round'
>

/** One process with the real engine in it. */
export class Engine {
  readonly process: Process
  readonly guard: Guard
  readonly main: Tool
  readonly parts: readonly Tool[]
  /** The intent whose undo is asked for here. */
  undoing = ''
  /** The same tool as applications see it, where it can be undone. */
  undoable: ProtectedTool<Input, unknown> | undefined
  readonly #hint: (key: string) => void

  constructor(world: World, host: Host, name: string, secondVersion: boolean) {
    this.process = new Process(world, host, name)
    const { process } = this
    const { store, hint } = storeLink(process)
    this.#hint = hint
    const { plan, mutation } = world
    const secrets =
      plan.kind !== 'secrets'
        ? {}
        : secondVersion
          ? { keySecret: 'new', previousSecrets: ['old'] }
          : { keySecret: 'old' }
    this.guard = createGuard({
      store: mutation.store?.(store) ?? store,
      settings: { ...plan.settings, ...mutation.settings },
      clock: process.clock,
      ids: process.ids,
      processes: mutation.processes?.(process.processes) ?? process.processes,
      makeFetch: fetchOf(process),
      faults: process.faults,
      ...(plan.spool ? { spool: spoolOf(process) } : {}),
      ...secrets,
    })
    const { main, parts } = toolsOf(this, secondVersion)
    this.main = main
    this.parts = parts
    if (this.undoable === undefined)
      for (const { contract } of [main, ...parts]) this.guard.internals.register(contract)
    this.guard.on('alarm', ({ message }) => world.coverage.hit(`alarm:${message.split(' ').slice(0, 4).join(' ')}`))
    this.guard.on('alarm', ({ message, key }) => this.#alarmed(message, key))
  }

  hint(key: string): void {
    if (this.process.alive) this.#hint(key)
  }

  /** A call from outside; rejects as the engine rejects. */
  call(call: Call, input: Input, asked: Asked): Promise<Outcome> {
    const { internals } = this.guard
    const options: PerformOptions = {
      ...asked,
      execute: this.main.execute(call, asked.round),
    }
    const { mutation, plan } = this.process.world
    const perform = (): Promise<Outcome> =>
      plan.kind === 'undeclared'
        ? internals.undeclared.perform(this.main.contract, input, UNDECLARED, options)
        : internals.perform(this.main.contract, input, options)
    return mutation.perform?.(perform, call, input, this) ?? perform()
  }

  /** A call from inside a tool, in the run and the operation that are executing. */
  async nested(tool: Tool, input: Input): Promise<unknown> {
    const { value, error } = await this.guard.internals.perform(tool.contract, input, {})
    if (error !== undefined) throw error as Error
    return value
  }

  /** Undoes what a want has done. */
  async undo(want: Want): Promise<void> {
    this.undoing = want.intent
    await this.guard.run({ id: want.run ?? 'outside', tenant: want.tenant }, () =>
      this.undoable?.compensate(want.input, want.occurrence === 1 ? {} : { occurrence: want.occurrence }),
    )
  }

  #alarmed(message: string, key: string): void {
    const { scheduler } = this.process.world
    scheduler.note('alarm', () => `${this.process.name} ${key.slice(4, 10)} ${message}`)
    if (/does not lead|\(I\d+\)|immutable|fences only grow|TypeError|is not a function|undefined/.test(message)) {
      scheduler.fail(new Error(`alarm: ${message}`))
    }
  }
}
