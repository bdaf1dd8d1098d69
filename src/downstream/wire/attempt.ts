/** How a physical attempt goes on after it was made. */
export type Happening =
  | { readonly type: 'sent' }
  | { readonly type: 'answered'; readonly status: number }
  /** Also after `answered`, when the answer breaks off. */
  | { readonly type: 'failed'; readonly error: unknown }

/** One HTTP request as a client library hands it to the network, seen before its first byte. */
export interface WireAttempt {
  readonly transport: 'undici' | 'http'
  readonly method: string
  readonly url: URL
  /** Bytes of the body, where they are known before it is sent. */
  readonly length: number | undefined
  /** A header that was given with the request. */
  header(name: string): string | undefined
  /** Sets a header; false where the client has already written its headers down. */
  setHeader(name: string, value: string): boolean
  /** Ends the attempt before its first byte; the client is thrown `error`. */
  refuse(error: Error): void
  /** True until a byte of the request may have left. While it is, nothing can have happened. */
  unsent(): boolean
  /** Calls `watcher` for everything that happens from now on. */
  watch(watcher: (happening: Happening) => void): void
}

/** An attempt as its channel drives it. */
export interface DrivenAttempt extends WireAttempt {
  happens(happening: Happening): void
}

/** The part of an attempt that is the same for every transport. @param provable false where sending cannot be seen */
export function drivenAttempt(
  own: Omit<WireAttempt, 'unsent' | 'watch'>,
  provable: () => boolean = () => true,
): DrivenAttempt {
  let sent = false
  const watchers: ((happening: Happening) => void)[] = []
  return {
    transport: own.transport,
    method: own.method,
    get url() {
      return own.url
    },
    get length() {
      return own.length
    },
    header: own.header,
    setHeader: own.setHeader,
    refuse: own.refuse,
    unsent: () => !sent && provable(),
    watch: (watcher) => void watchers.push(watcher),
    happens: (happening) => {
      if (happening.type !== 'failed') sent = true
      for (const watcher of watchers) {
        try {
          watcher(happening)
        } catch {
          // An error thrown in a channel's subscriber would end the process (node:diagnostics_channel).
        }
      }
    },
  }
}

/** A request's URL of its origin and its target, which a proxy is given in absolute form (RFC 9112 section 3.2). */
export function targetUrl(origin: string, target: string): URL {
  const text = /^https?:\/\//i.test(target) ? target : `${origin}${target}`
  return URL.canParse(text) ? new URL(text) : new URL(origin)
}
