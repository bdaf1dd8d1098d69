interface Emitting {
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

export interface ConnectionWatch {
  /** Runs `work`; rejects when a connection ended meanwhile. */
  unbroken<T>(work: () => Promise<T>): Promise<T>
  trouble(): string | undefined
  /** Begins to listen; twice is once. */
  attach(): void
  release(): void
}

/** Events by which the clients tell that a connection has ended or begun anew. */
const BREAKS = ['close', 'end', 'reconnecting'] as const

/** Notes what goes wrong with a client's connection. Listening to `error` also keeps node-redis from throwing it. */
export function watchConnection(client: Emitting): ConnectionWatch {
  let breaks = 0
  let trouble: string | undefined
  const broken = (): void => {
    breaks += 1
  }
  const failed = (error: unknown): void => {
    breaks += 1
    const { message, code } = error as { readonly message?: string; readonly code?: string }
    trouble = message === undefined || message === '' ? (code ?? String(error)) : message
  }
  let attached = false
  return {
    attach() {
      if (attached) return
      attached = true
      client.on('error', failed)
      for (const event of BREAKS) client.on(event, broken)
    },
    async unbroken(work) {
      const before = breaks
      const value = await work()
      if (breaks !== before) throw new Error('the connection ended before the replicas were heard of')
      return value
    },
    trouble: () => trouble,
    release() {
      attached = false
      client.off('error', failed)
      for (const event of BREAKS) client.off(event, broken)
    },
  }
}
