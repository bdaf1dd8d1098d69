import { knownOptions, type NamesOf } from '../../contract/index.ts'
import type { OnefoldError } from '../../error/index.ts'
import { CONTRACT } from '../proxy/listed-contracts.ts'
import { callKey, type CallParams } from './call-key.ts'
import { failureOf } from './lost.ts'
import { errorOfResult, errorOfThrown, inDoubt, type SeenResult } from './told.ts'

/** The `Client` of @modelcontextprotocol/sdk 1 or @modelcontextprotocol/client 2. */
export interface ProtectableClient {
  callTool: (...given: never[]) => Promise<unknown>
  listTools: (...given: never[]) => Promise<unknown>
}

/** How a client is protected. */
export interface ProtectClientOptions<C> {
  /** How often a call is sent again whose answer was lost, or that may come later. @default 2 */
  readonly retries?: number
  /** Before the first of these; doubled for every further one, unless the server says when. @default 200 */
  readonly backoffMs?: number
  /** Makes a connected client in place of one whose connection is closed. @default none: the call is then in doubt */
  readonly reconnect?: () => Promise<C>
  /** Tools that are safe to send again although the server does not say so in its tool list. @default none */
  readonly honoursKeys?: readonly string[]
}

const NAMES: NamesOf<ProtectClientOptions<never>> = {
  retries: 'number',
  backoffMs: 'number',
  reconnect: true,
  honoursKeys: true,
}

type CallTool = (params: CallParams, ...rest: unknown[]) => Promise<SeenResult>

const plainCalls = new WeakMap<object, CallTool>()

/**
 * Makes `callTool` of an MCP client safe to depend on; changes the client and returns it. Every call carries a key, and
 * the run where there is one (`guard.run`). A call whose answer was lost is sent again under the same key, where the
 * server shows a contract for the tool (`_meta["io.onefold/contract"]`, as servers and proxies with Onefold do), and never
 * where it does not. What Onefold tells is thrown as OnefoldError: IN_DOUBT when nobody knows; every other result and
 * error is as it was.
 */
export function protectClient<C extends ProtectableClient>(client: C, options: ProtectClientOptions<C> = {}): C {
  const { retries = 2, backoffMs = 200, reconnect, honoursKeys = [] } = knownOptions('protectClient', options, NAMES)
  const safe = new Map<string, boolean>(honoursKeys.map((tool) => [tool, true]))
  let current: ProtectableClient = client
  let reconnecting: Promise<void> | undefined
  const plain = (of: ProtectableClient): CallTool => plainCalls.get(of) ?? (of.callTool.bind(of) as unknown as CallTool)
  plainCalls.set(client, plain(client))

  async function call(given: CallParams, ...rest: unknown[]): Promise<SeenResult> {
    const key = callKey(given)
    const params = { ...given, _meta: key.meta }
    const { name } = params
    let lost: unknown
    // Once an answer was lost, what stopped a later send (a refused connection, a 401 on the way) says nothing of it.
    const unlessLost = (error: unknown): unknown => (lost === undefined ? error : noAnswer(name, lost))
    for (let sends = 1; ; sends += 1) {
      const last = sends > retries
      let told: OnefoldError | undefined
      const used = current
      try {
        key.checkpoint()
      } catch (error) {
        throw unlessLost(error)
      }
      try {
        const result = await plain(used)(params, ...rest)
        told = errorOfResult(name, result)
        if (told === undefined) {
          key.delivered()
          return result
        }
      } catch (error) {
        told = errorOfThrown(error)
        if (told === undefined) {
          const failure = failureOf(error)
          if (failure === 'lost') lost ??= error
          if (gaveUp(rest)) throw error
          if (failure === 'answered' || last) throw unlessLost(error)
          if (failure === 'unsent' && !(await reconnected(used, unlessLost)) && isClosed(error)) throw unlessLost(error)
          if (lost !== undefined && !(await isSafe(name, used))) throw noAnswer(name, lost)
        }
      }
      if (told !== undefined && (last || !told.retryable || gaveUp(rest))) {
        throw NOT_OF_THE_RECORD.has(told.code) ? unlessLost(told) : told
      }
      await pause(told?.retryAfterMs ?? backoffMs * 2 ** (sends - 1), signalIn(rest))
    }
  }

  /** True when there is another connection than the one that failed. @throws what `told` makes of its failure */
  async function reconnected(failed: ProtectableClient, told = (error: unknown): unknown => error): Promise<boolean> {
    if (reconnect === undefined) return false
    if (current !== failed) return true
    reconnecting ??= reconnect()
      .then((made) => {
        current = made
      })
      .finally(() => {
        reconnecting = undefined
      })
    await reconnecting.catch((error: unknown) => {
      throw told(error)
    })
    return true
  }

  /** Whether a second send of this tool is harmless: only the server can know. */
  async function isSafe(tool: string, failed: ProtectableClient): Promise<boolean> {
    const known = safe.get(tool)
    if (known !== undefined) return known
    try {
      await learn(current)
    } catch (error) {
      // The connection went with the answer.
      if (failureOf(error) !== 'unsent') return false
      try {
        if (await reconnected(failed)) await learn(current)
      } catch {
        return false // nor is there another one: what was sent on the first stays unknown
      }
    }
    return safe.get(tool) ?? false
  }

  async function learn(from: ProtectableClient): Promise<void> {
    const list = from.listTools.bind(from) as unknown as (params?: object) => Promise<Listed>
    let cursor: string | undefined
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const { tools, nextCursor } = await list(cursor === undefined ? undefined : { cursor })
      for (const { name, _meta: meta } of tools) safe.set(name, safe.get(name) === true || isSafeBy(meta?.[CONTRACT]))
      if (nextCursor === undefined) return
      cursor = nextCursor
    }
  }

  client.callTool = call as never
  return client
}

interface Listed {
  readonly tools: readonly { readonly name: string; readonly _meta?: Readonly<Record<string, unknown>> }[]
  readonly nextCursor?: string
}

const MOST_PAGES = 100

/**
 * True for a contract that somebody wrote. A tool that is guarded without one may take an equal call on a connection whose
 * answers arrive for new work.
 */
const isSafeBy = (contract: unknown): boolean => {
  if (typeof contract !== 'object' || contract === null) return false
  const { declared, protected: isProtected } = contract as { declared?: unknown; protected?: unknown }
  return declared !== false && isProtected !== false
}

/** Told before the operation's record is read: they say nothing of an earlier send. */
const NOT_OF_THE_RECORD: ReadonlySet<string> = new Set(['STORE_UNAVAILABLE', 'CANCELLED'])

const noAnswer = (tool: string, cause: unknown): OnefoldError => inDoubt(tool, 'its answer was lost', cause)

/** SDK 1 and 2, on a client without a connection: without another one, waiting cannot help. */
const isClosed = (error: unknown): boolean =>
  error instanceof Error &&
  (error.message === 'Not connected' || (error as { code?: unknown }).code === 'NOT_CONNECTED')

/** The caller's signal: in the options, the SDKs' last argument. */
const signalIn = (rest: readonly unknown[]): AbortSignal | undefined =>
  rest.map((one) => (one as { signal?: AbortSignal } | undefined)?.signal).find((signal) => signal !== undefined)

/** True when the caller no longer wants an answer. */
const gaveUp = (rest: readonly unknown[]): boolean => signalIn(rest)?.aborted === true

/** A caller that gives up meanwhile does not wait for its end: the SDK throws what it is to be told. */
const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', go)
      resolve()
    }
    const timer = setTimeout(go, ms)
    signal?.addEventListener('abort', go)
    if (signal?.aborted === true) go()
  })
