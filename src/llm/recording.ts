/** One answer of a provider while it comes in, and for as long as somebody reads it. */
export interface Recording<Head, Chunk> {
  /** What precedes the chunks; rejects when the call failed before it. */
  readonly head: Promise<Head>
  /** How this process came by it: it made the call, or the ledger had the answer. */
  readonly source: () => 'provider' | 'ledger'
  /** All chunks from the first on, whenever it is asked for. `signal` ends this reader, never the recording. */
  stream(signal?: AbortSignal): ReadableStream<Chunk>
}

/** The side that fills a recording. */
export interface Recorder<Head, Chunk> extends Recording<Head, Chunk> {
  begin(head: Head, source: 'provider' | 'ledger'): void
  push(chunk: Chunk): void
  end(): void
  /** Ends it with an error: before the head for everyone, after it behind the chunks that came. */
  fail(error: unknown): void
  readonly chunks: readonly Chunk[]
}

/** An empty recording. Its chunks are kept in memory until nobody holds it. */
export function createRecording<Head, Chunk>(): Recorder<Head, Chunk> {
  const chunks: Chunk[] = []
  let state: 'open' | 'ended' | { readonly error: unknown } = 'open'
  let source: 'provider' | 'ledger' = 'provider'
  const begun = Promise.withResolvers<Head>()
  begun.promise.catch(() => undefined)
  let waiting = new Set<() => void>()
  const wake = (): void => {
    const woken = waiting
    waiting = new Set()
    for (const go of woken) go()
  }
  return {
    head: begun.promise,
    source: () => source,
    chunks,
    begin: (head, from) => {
      source = from
      begun.resolve(head)
    },
    push: (chunk) => {
      chunks.push(chunk)
      wake()
    },
    end: () => {
      if (state === 'open') state = 'ended'
      wake()
    },
    fail: (error) => {
      if (state === 'open') state = { error }
      begun.reject(error)
      wake()
    },
    stream: (signal) => {
      let next = 0
      let wakeUp = (): void => {}
      // One for each reader, and taken off at its end: a signal may live as long as the process.
      let onAbort = (): void => {}
      const leave = (): void => signal?.removeEventListener('abort', onAbort)
      return new ReadableStream<Chunk>({
        start: (controller) => {
          if (signal === undefined) return
          onAbort = () => {
            controller.error(signal.reason)
            wakeUp()
          }
          if (signal.aborted) onAbort()
          else signal.addEventListener('abort', onAbort, { once: true })
        },
        pull: async (controller) => {
          for (;;) {
            if (signal?.aborted === true) return
            if (next < chunks.length) return controller.enqueue(chunks[next++] as Chunk)
            if (state !== 'open') {
              leave()
              return state === 'ended' ? controller.close() : controller.error(state.error)
            }
            await new Promise<void>((resolve) => {
              wakeUp = resolve
              waiting.add(resolve)
            })
          }
        },
        cancel: leave,
      })
    },
  }
}
