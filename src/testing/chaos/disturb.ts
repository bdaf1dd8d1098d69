import type { FaultName } from './faults.ts'

/** How a kind of site shows a fault. */
export interface Shape<T> {
  /** The error of a connection that broke. */
  reset(): Error
  /** What an overloaded service answers; throws where errors are thrown. */
  unavailable(): T
  /** An answer whose body breaks off. */
  broken(whole: T): Promise<T> | T
}

/** What a disturbed process can do beside its work. */
export interface Disturber {
  /** Ends the process; nothing in it goes on. */
  crash(): void
  /** The callers that wait for this give up now, and call again. */
  giveUp(): void
  /** Resolves when those who gave up are answered, or after the longest delay. */
  held(): Promise<void>
}

const never = <T>(): Promise<T> => new Promise(() => {})

/** Does `work` with a fault. */
export async function disturbed<T>(
  fault: FaultName | undefined,
  work: () => Promise<T>,
  shape: Shape<T>,
  process: Disturber,
): Promise<T> {
  switch (fault) {
    case undefined:
      return await work()
    case 'lost-request':
      throw shape.reset()
    case 'error-before':
      return shape.unavailable()
    case 'lost-answer':
      await work()
      throw shape.reset()
    case 'error-after':
      await work()
      return shape.unavailable()
    case 'reset-mid-body':
      return await shape.broken(await work())
    case 'duplicate': {
      const [first, second] = await Promise.allSettled([work(), work()])
      if (first.status === 'fulfilled') return first.value
      if (second.status === 'fulfilled') return second.value
      throw first.reason
    }
    case 'delay': {
      const answer = await work()
      process.giveUp()
      await process.held()
      return answer
    }
    case 'pause':
      process.giveUp()
      await process.held()
      return await work()
    case 'crash-before':
      process.crash()
      return await never()
    case 'crash-after':
      await work().catch(() => undefined)
      process.crash()
      return await never()
  }
}

/** The error that `fetch` throws for a connection that was reset. */
export const connectionReset = (): Error =>
  new TypeError('fetch failed', { cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) })

export const HTTP_SHAPE: Shape<Response> = {
  reset: connectionReset,
  unavailable: () =>
    new Response('{"error":"service unavailable"}', { status: 503, headers: { 'content-type': 'application/json' } }),
  broken: async (whole) => {
    const bytes = new Uint8Array(await whole.arrayBuffer())
    let pulled = 0
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled += 1
        if (pulled === 1 && bytes.length > 1) controller.enqueue(bytes.subarray(0, bytes.length >> 1))
        else controller.error(new TypeError('terminated', { cause: connectionReset().cause }))
      },
    })
    return new Response(body, { status: whole.status, headers: whole.headers })
  },
}

/** For calls in this process: an error is an error. */
export const callShape = <T>(what: string): Shape<T> => ({
  reset: () => Object.assign(new Error(`${what}: the connection broke before an answer came`), { code: 'ECONNRESET' }),
  unavailable: () => {
    throw Object.assign(new Error(`${what}: 503 service unavailable`), { status: 503 })
  },
  broken: (whole) => whole,
})
