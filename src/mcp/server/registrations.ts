import type { ServerCalls } from './calls.ts'
import { takeContract } from './contract.ts'
import type { Annotations, ServerPlans } from './plans.ts'

type Register = (name: string, ...given: unknown[]) => unknown

/** The registrations of `McpServer`: SDK 1 has all three, SDK 2 the first. */
interface HighLevelServer {
  registerTool?: Register
  tool?: Register
  readonly experimental?: { readonly tasks?: { registerToolTask?: Register } }
}

/** What both SDKs give back for a registered tool. */
interface RegisteredTool {
  readonly annotations?: Annotations | undefined
  /** `name: null` removes it; `remove`, `enable` and `disable` go through it. */
  update: (changes: Changes) => void
}

interface Changes {
  readonly name?: string | null
  readonly annotations?: Annotations
  readonly _meta?: unknown
  readonly callback?: unknown
  readonly [name: string]: unknown
}

/** Takes contracts out of registrations, and notes how callbacks end before the SDK makes an answer of it. */
export function watchRegistrations(server: object, plans: ServerPlans, calls: ServerCalls): void {
  const high = server as HighLevelServer
  const { registerTool, tool } = high
  const tasks = high.experimental?.tasks
  if (typeof registerTool === 'function') high.registerTool = configured(registerTool, server)
  if (typeof tasks?.registerToolTask === 'function') tasks.registerToolTask = configured(tasks.registerToolTask, tasks)
  // The older form of SDK 1: tool(name, description?, schema or annotations?, callback).
  if (typeof tool === 'function') {
    high.tool = (name, ...given) => {
      plans.registered(name, given.find(isAnnotations))
      return watched(name, tool.call(server, name, ...given.slice(0, -1), noted(given.at(-1), calls)))
    }
  }

  function configured(register: Register, on: object): Register {
    return (name, config, handler) => {
      const { _meta, annotations } = (config ?? {}) as { _meta?: unknown; annotations?: Annotations }
      const { declared, meta } = takeContract(_meta)
      plans.registered(name, annotations, declared)
      return watched(name, register.call(on, name, { ...(config as object), _meta: meta }, noted(handler, calls)))
    }
  }

  /** What a tool becomes later changes what it is protected by. */
  function watched(first: string, registered: unknown): unknown {
    const its = registered as RegisteredTool
    const { update } = its
    let name = first
    its.update = (changes) => {
      const { annotations = its.annotations } = changes
      const { declared, meta } = takeContract(changes._meta)
      if (changes.name === null) plans.removed(name)
      else {
        const to = changes.name ?? name
        // Under another name it has the same contract, where that name has none of its own.
        const before = plans.declaredFor(name)
        const kept = to === name || plans.declaredFor(to) !== undefined ? undefined : before
        if (to !== name || declared !== undefined) plans.removed(name)
        try {
          plans.registered(to, annotations, declared ?? kept)
        } catch (error) {
          // The tool stays as it was, and so does what protects it.
          if (before !== undefined && plans.declaredFor(name) === undefined)
            plans.registered(name, its.annotations, before)
          throw error
        }
        name = to
      }
      update.call(its, {
        ...changes,
        ...('_meta' in changes ? { _meta: meta } : {}),
        ...('callback' in changes ? { callback: noted(changes.callback, calls) } : {}),
      })
    }
    return registered
  }
}

const isAnnotations = (value: unknown): value is Annotations =>
  typeof value === 'object' && value !== null && typeof (value as Annotations).readOnlyHint === 'boolean'

function noted(callback: unknown, { notes }: ServerCalls): unknown {
  if (typeof callback !== 'function') return callback
  return async (...given: unknown[]): Promise<unknown> => {
    const extra = given.at(-1)
    const note = (value: { threw: unknown } | { returned: true }): void => {
      if (typeof extra === 'object' && extra !== null) notes.set(extra, value)
    }
    try {
      const result: unknown = await (callback as (...given: unknown[]) => unknown)(...given)
      if ((result as { isError?: unknown } | undefined)?.isError !== true) note({ returned: true })
      return result
    } catch (error) {
      note({ threw: error })
      throw error
    }
  }
}
