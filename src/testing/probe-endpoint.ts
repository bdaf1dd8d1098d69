import { isDeepStrictEqual } from 'node:util'
import { OnefoldError, type EffectKnowledge } from '../error/index.ts'
import { faultyHttp } from './proxies/faulty-http.ts'
import { faultyMcp } from './proxies/faulty-mcp.ts'
import { mcpCaller } from './proxies/mcp-caller.ts'
import type { ProxyFault } from './proxies/plan.ts'

/** What is probed: an HTTP endpoint, or a tool of an MCP server. `{{unique}}` in texts is new for each check. */
export type ProbeTarget =
  | {
      readonly kind: 'http'
      readonly url: string
      readonly method: string
      readonly headers: Readonly<Record<string, string>>
      readonly body: string | undefined
    }
  | {
      readonly kind: 'mcp'
      readonly command: string
      readonly args: readonly string[]
      readonly tool: string
      /** JSON. */
      readonly arguments: string
    }

export interface ProbeOptions {
  readonly target: ProbeTarget
  /** How many effects there are now. */
  readonly count: (unique: string) => Promise<number>
  /** How many callers at once. @default 16 */
  readonly callers?: number
  /** How long a call waits for its answer, in milliseconds. @default 10,000 */
  readonly timeoutMs?: number
  readonly onCheck?: (name: string) => void
}

export interface ProbeCheck {
  readonly name: string
  /** Effects that the check should have added, and did. */
  readonly wanted: number
  readonly effects: number
  readonly ok: boolean
}

/** Calls an endpoint; a fault may meet the first call of a pair. */
interface Line {
  call(unique: string, fault?: ProxyFault): Promise<void>
  close(): Promise<void>
}

export const UNIQUE = '{{unique}}'
const TIMEOUT_MS = 10_000

/**
 * Fires duplicates at an endpoint of the user's own and counts effects: twice, at once, after lost answers. Without
 * `{{unique}}` all checks repeat one operation, and none after the first call may add an effect.
 * @throws OnefoldError INPUT_INVALID when a single call has no effect, or the target cannot be reached
 */
export async function probeEndpoint(options: ProbeOptions): Promise<readonly ProbeCheck[]> {
  const { target, count, callers = 16 } = options
  const fresh = JSON.stringify(target).includes(UNIQUE)
  const line = target.kind === 'http' ? await httpLine(target, options) : await mcpLine(target, options)
  const token = `probe-${Date.now().toString(36)}`
  let nth = 0

  async function added(act: (unique: string) => Promise<void>): Promise<number> {
    const unique = `${token}-${(nth += fresh || nth === 0 ? 1 : 0)}`
    const before = await count(unique)
    await act(unique)
    return (await count(unique)) - before
  }

  try {
    const once = await added((unique) => line.call(unique).catch(unanswered))
    if (once < 1) {
      throw invalid(
        `One call added ${once} effects by your --count, so repeats cannot be judged. Check that the call succeeds, and that --count sees its effect at once.`,
      )
    }
    const wanted = fresh ? once : 0
    const checks: ProbeCheck[] = []
    for (const [name, act] of checksOf(line, callers, target.kind)) {
      options.onCheck?.(name)
      const effects = await added(act)
      checks.push({ name, wanted, effects, ok: isDeepStrictEqual(effects, wanted) })
    }
    return checks
  } finally {
    await line.close()
  }
}

function checksOf(
  line: Line,
  callers: number,
  kind: ProbeTarget['kind'],
): readonly (readonly [string, (unique: string) => Promise<void>])[] {
  const quietly = (work: Promise<void>): Promise<void> => work.catch(() => undefined)
  const after =
    (fault: ProxyFault) =>
    async (unique: string): Promise<void> => {
      await quietly(line.call(unique, fault))
      await quietly(line.call(unique))
    }
  return [
    [
      'called twice',
      async (unique) => {
        await quietly(line.call(unique))
        await quietly(line.call(unique))
      },
    ],
    [
      `${callers} times at once`,
      async (unique) => void (await Promise.all(Array.from({ length: callers }, () => quietly(line.call(unique))))),
    ],
    ['answer lost, called again', after('lost-answer')],
    ['answered 503 after it was done, called again', after('error-after')],
    ['answer broken off, called again', after('reset-mid-body')],
    ...(kind === 'mcp' ? ([['server killed after it was done, called again', after('crash-after')]] as const) : []),
  ]
}

async function httpLine(
  target: Extract<ProbeTarget, { kind: 'http' }>,
  { timeoutMs = TIMEOUT_MS }: ProbeOptions,
): Promise<Line> {
  const { origin } = new URL(target.url)
  const proxy = await faultyHttp({ upstream: origin })
  return {
    call: async (unique, fault) => {
      const fill = (text: string): string => text.replaceAll(UNIQUE, unique)
      if (fault !== undefined) proxy.plan(fault)
      const answer = await fetch(proxy.url + fill(target.url).slice(origin.length), {
        method: target.method,
        headers: Object.fromEntries(Object.entries(target.headers).map(([name, value]) => [name, fill(value)])),
        signal: AbortSignal.timeout(timeoutMs),
        ...(target.body === undefined ? {} : { body: fill(target.body) }),
      })
      await answer.arrayBuffer()
      if (answer.status === 502) throw new Error('it answers 502, or nothing can be reached there')
    },
    close: proxy.close,
  }
}

async function mcpLine(
  target: Extract<ProbeTarget, { kind: 'mcp' }>,
  { timeoutMs = TIMEOUT_MS }: ProbeOptions,
): Promise<Line> {
  const proxy = await faultyMcp({ command: target.command, args: target.args })
  let client = await mcpCaller(proxy.command, proxy.args).catch(async (error: unknown) => {
    await proxy.close()
    return unstarted(error)
  })
  return {
    call: async (unique, fault) => {
      if (fault !== undefined) proxy.plan(fault)
      // JSON inside JSON: the token holds nothing that would have to be escaped.
      const input = JSON.parse(target.arguments.replaceAll(UNIQUE, unique)) as unknown
      try {
        await client.call(target.tool, input, timeoutMs)
      } catch (error) {
        if (fault === 'crash-after' || fault === 'reset-mid-body') {
          await client.close()
          client = await mcpCaller(proxy.command, proxy.args)
        }
        throw error
      }
    },
    close: async () => {
      await client.close()
      await proxy.close()
    },
  }
}

/** A first call that fails is no measure for the others; what it did at the downstream is not known. */
function unanswered(error: unknown): never {
  throw invalid(
    `The first call failed: ${whyOf(error)}. So repeats cannot be judged. Check the target with a single call of your own.`,
    error,
    'unknown',
  )
}

function unstarted(error: unknown): never {
  throw invalid(`The MCP server cannot be used: ${whyOf(error)}. No tool was called.`, error)
}

const whyOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const invalid = (message: string, cause?: unknown, effect: EffectKnowledge = 'none'): OnefoldError =>
  new OnefoldError('INPUT_INVALID', message, { cause, effect })
