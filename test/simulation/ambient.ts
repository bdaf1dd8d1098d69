import { createRequire, syncBuiltinESMExports } from 'node:module'

/** Inside the simulation nothing may read the machine's time, draw its randomness or start its timers. */

const require = createRequire(import.meta.url)

/** Modules whose functions would let time or chance in, by name. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['randomBytes', 'randomFillSync', 'randomFill', 'randomUUID', 'randomInt'],
  'node:os': ['uptime'],
  'node:timers': ['setTimeout', 'setInterval', 'setImmediate'],
  'node:timers/promises': ['setTimeout', 'setInterval', 'setImmediate'],
}

const GLOBALS = ['setTimeout', 'setInterval', 'setImmediate'] as const

function forbid(what: string): () => never {
  return () => {
    throw new Error(`${what} was used inside the simulation`)
  }
}

/** A Date that can carry a given moment and knows no other. */
const timelessDate = (): DateConstructor =>
  new Proxy(Date, {
    construct: (target, given, newTarget) =>
      given.length === 0 ? forbid('new Date()')() : (Reflect.construct(target, given, newTarget) as object),
    apply: forbid('Date()'),
    get: (target, name) => (name === 'now' ? forbid('Date.now') : (Reflect.get(target, name) as unknown)),
  })

/**
 * Runs `work` with ambient time, chance and timers forbidden, and gives them back afterwards. Not to be nested, and
 * nothing else may run in this thread meanwhile.
 */
export async function withoutAmbient<T>(work: () => Promise<T>): Promise<T> {
  const undo: (() => void)[] = []
  const put = (holder: object, name: string, value: unknown): void => {
    const had = Object.getOwnPropertyDescriptor(holder, name)
    const inherited = had === undefined
    Object.defineProperty(holder, name, {
      configurable: true,
      writable: true,
      enumerable: had?.enumerable ?? false,
      value,
    })
    undo.push(() => {
      if (inherited) Reflect.deleteProperty(holder, name)
      else Object.defineProperty(holder, name, had)
    })
  }
  for (const name of GLOBALS) put(globalThis, name, forbid(name))
  put(globalThis, 'Date', timelessDate())
  put(Math, 'random', forbid('Math.random'))
  put(performance, 'now', forbid('performance.now'))
  put(process, 'hrtime', forbid('process.hrtime'))
  put(process, 'uptime', forbid('process.uptime'))
  put(globalThis.crypto, 'getRandomValues', forbid('crypto.getRandomValues'))
  put(globalThis.crypto, 'randomUUID', forbid('crypto.randomUUID'))
  put(AbortSignal, 'timeout', forbid('AbortSignal.timeout'))
  for (const [module, names] of Object.entries(MODULES)) {
    const exported = require(module) as Record<string, unknown>
    for (const name of names) if (name in exported) put(exported, name, forbid(`${module}.${name}`))
  }
  syncBuiltinESMExports()
  try {
    return await work()
  } finally {
    for (const restore of undo.reverse()) restore()
    syncBuiltinESMExports()
  }
}
