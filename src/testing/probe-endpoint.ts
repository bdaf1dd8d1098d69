import { knownOptions, type NamesOf } from '../contract/index.ts'
import { OnefoldError, type EffectKnowledge } from '../error/index.ts'
import { faultyHttp, UNREACHED } from './proxies/faulty-http.ts'
import { faultyMcp } from './proxies/faulty-mcp.ts'
import { mcpCaller, RpcRefusal } from './proxies/mcp-caller.ts'
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
  /** How many callers at once, 2 or more. @default 16 */
  readonly callers?: number
  /** How long a call waits for its answer, in milliseconds. @default 10,000 */
  readonly timeoutMs?: number
  readonly onCheck?: (name: string) => void
}

const NAMES: NamesOf<ProbeOptions> = {
  target: true,
  count: true,
  callers: 'number',
  timeoutMs: 'number',
  onCheck: true,
}

export interface ProbeCheck {
  readonly name: string
  /** Effects that the check should have added, and did. */
  readonly wanted: number
  readonly effects: number
  readonly ok: boolean
}

/** A call that never arrived: a check that is made of such calls has seen nothing. */
class Unreached extends Error {}

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
 * @throws OnefoldError INPUT_INVALID when a single call has no effect, or the target cannot be reached, also by a repeat;
 * CONFIG_INVALID for an option that there is not
 */
export async function probeEndpoint(options: ProbeOptions): Promise<readonly ProbeCheck[]> {
  const { target, count } = knownOptions('probeEndpoint', options, NAMES)
  const callers = knownCallers(options.callers)
  const fresh = JSON.stringify(target).includes(UNIQUE)
  const line = target.kind === 'http' ? await httpLine(target, options) : await mcpLine(target, options)
  const token = `probe-${Date.now().toString(36)}`
  let nth = 0

  /** What the check before has added, looked at anew: an effect may come after its answer. */
  let recount = async (): Promise<void> => {}

  async function added(act: (unique: string) => Promise<void>): Promise<{ effects: number }> {
    await recount()
    const unique = `${token}-${(nth += fresh || nth === 0 ? 1 : 0)}`
    const before = await count(unique)
    await act(unique)
    const sum = { effects: (await count(unique)) - before }
    recount = async () => void (sum.effects = (await count(unique)) - before)
    return sum
  }

  try {
    const once = await added((unique) => line.call(unique).catch(unanswered))
    if (once.effects < 1) {
      throw invalid(
        `One call added ${once.effects} effects by your --count, so repeats cannot be judged. Check that the call succeeds, and that --count sees its effect at once.`,
      )
    }
    const made: { name: string; sum: { readonly effects: number }; silence: Error | undefined }[] = []
    for (const [name, act] of checksOf(line, callers, target.kind)) {
      options.onCheck?.(name)
      let silence: Error | undefined
      const sum = await added(async (unique) => void (silence = await act(unique))).catch((error: unknown) => {
        throw error instanceof Unreached ? unmade(name, error) : error
      })
      made.push({ name, sum, silence })
    }
    await recount()
    const wanted = fresh ? once.effects : 0
    const checks = made.map(({ name, sum: { effects } }) => ({ name, wanted, effects, ok: effects === wanted }))
    const silent = made.find(({ silence }) => silence !== undefined)
    // What the service would have done with a repeat that it did not look at is not known: no pass, but no finding either.
    if (silent?.silence !== undefined && checks.every(({ ok }) => ok)) throw unmade(silent.name, silent.silence)
    return checks
  } finally {
    await line.close()
  }
}

/** Fewer than two call nothing at once, and a check without a call finds no second effect. */
function knownCallers(callers = 16): number {
  if (Number.isSafeInteger(callers) && callers >= 2) return callers
  throw new OnefoldError(
    'CONFIG_INVALID',
    `callers of probeEndpoint must be a whole number from 2, not ${String(callers)}. Nothing was called.`,
    { details: { name: 'callers' } },
  )
}

/** Each check resolves to why none of its repeats was answered; undefined where one was. */
function checksOf(
  line: Line,
  callers: number,
  kind: ProbeTarget['kind'],
): readonly (readonly [string, (unique: string) => Promise<Error | undefined>])[] {
  /** A repeat may be refused, in any way; but it has to arrive. */
  const silenceOf = async (work: Promise<void>): Promise<Error | undefined> => {
    try {
      await work
    } catch (error) {
      if (error instanceof Unreached) throw error
      if (!(error instanceof RpcRefusal)) return error as Error
    }
    return undefined
  }
  const after =
    (fault?: ProxyFault) =>
    async (unique: string): Promise<Error | undefined> => {
      await silenceOf(line.call(unique, fault))
      return await silenceOf(line.call(unique))
    }
  return [
    ['called twice', after()],
    [
      `${callers} times at once`,
      async (unique) => {
        const calls = Array.from({ length: callers }, () => silenceOf(line.call(unique)))
        const silences = await Promise.all(calls)
        return silences.includes(undefined) ? undefined : silences[0]
      },
    ],
    ['answer lost, called again', after('lost-answer')],
    ['answered 503 after it was done, called again', after('error-after')],
    ['answer broken off, called again', after('reset-mid-body')],
    ...(kind === 'mcp' ? ([['server killed after it was done, called again', after('crash-after')]] as const) : []),
  ]
}

/** Answers of something in front of the service, which has not seen the request, or of a service that is not up. */
const UNSEEN: readonly number[] = [401, 403, 429, 502, 503, 504]

async function httpLine(
  target: Extract<ProbeTarget, { kind: 'http' }>,
  { timeoutMs = TIMEOUT_MS }: ProbeOptions,
): Promise<Line> {
  const proxy = await faultyHttp({ upstream: new URL(target.url).origin })
  return {
    call: async (unique, fault) => {
      const fill = (text: string): string => text.replaceAll(UNIQUE, unique)
      if (fault !== undefined) proxy.plan(fault)
      // As it is sent, not as it was written: a port that goes without saying, or a host in another form.
      const { pathname, search } = new URL(fill(target.url))
      const answer = await fetch(proxy.url + pathname + search, {
        method: target.method,
        // Followed, the request would leave the proxy, and the fault would meet the redirection.
        redirect: 'manual',
        headers: Object.fromEntries(Object.entries(target.headers).map(([name, value]) => [name, fill(value)])),
        signal: AbortSignal.timeout(timeoutMs),
        ...(target.body === undefined ? {} : { body: fill(target.body) }),
      })
      await answer.arrayBuffer()
      const unreached = answer.headers.get(UNREACHED)
      if (unreached !== null) throw new Unreached(`nothing can be reached there (${unreached})`)
      if (UNSEEN.includes(answer.status)) throw new Error(`it answers ${answer.status}`)
      if (answer.status === 307 || answer.status === 308)
        throw new Error(`it redirects to ${answer.headers.get('location')}; name that address`)
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
  let starting: Promise<void> | undefined

  /** As a host does: a server that has ended is started again before the next call. */
  async function restart(): Promise<void> {
    await client.close()
    client = await mcpCaller(proxy.command, proxy.args).catch((error: unknown) => {
      throw new Unreached(`the MCP server, which had ended, did not start again: ${whyOf(error)}`)
    })
  }

  return {
    call: async (unique, fault) => {
      if (!client.isAlive()) await (starting ??= restart().finally(() => (starting = undefined)))
      if (fault !== undefined) proxy.plan(fault)
      // JSON inside JSON: the token holds nothing that would have to be escaped.
      const input = JSON.parse(target.arguments.replaceAll(UNIQUE, unique)) as unknown
      await client.call(target.tool, input, timeoutMs)
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

const unmade = (name: string, error: Error): OnefoldError =>
  invalid(
    `The check "${name}" could not be made: ${error.message}. So repeats cannot be judged; look at why the service does not take them.`,
    error,
    'unknown',
  )

function unstarted(error: unknown): never {
  throw invalid(`The MCP server cannot be used: ${whyOf(error)}. No tool was called.`, error)
}

const whyOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const invalid = (message: string, cause?: unknown, effect: EffectKnowledge = 'none'): OnefoldError =>
  new OnefoldError('INPUT_INVALID', message, { cause, effect })
