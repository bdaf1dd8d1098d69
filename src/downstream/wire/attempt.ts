/** How a physical attempt goes on after it was made. */
export type Happening =
  | { readonly type: 'sent' }
  | {
      readonly type: 'answered'
      readonly status: number
      readonly location: string | undefined
      /** True where the answer is an Onefold's that is in doubt itself. */
      readonly isDoubtful: boolean
    }
  /** Also after `answered`, when the answer breaks off; `discarded` where its reader did not want the rest. */
  | { readonly type: 'failed'; readonly error: unknown; readonly discarded: boolean }

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

/** How a transport's own request is read and changed. */
export interface Transport<Request> {
  readonly name: WireAttempt['transport']
  url(request: Request): URL
  length(request: Request): number | undefined
  header(request: Request, name: string): string | undefined
  setHeader(request: Request, name: string, value: string): boolean
  refuse(request: Request, error: Error): void
  /** False where this transport may send without saying so. */
  tellsOfSending(request: Request): boolean
}

/** An attempt as its channel drives it. */
export class DrivenAttempt<Request extends { readonly method: string }> implements WireAttempt {
  readonly #request: Request
  readonly #by: Transport<Request>
  readonly #watchers: ((happening: Happening) => void)[] = []
  #url: URL | undefined
  #sent = false

  constructor(request: Request, by: Transport<Request>) {
    this.#request = request
    this.#by = by
  }

  get transport(): WireAttempt['transport'] {
    return this.#by.name
  }

  get method(): string {
    return this.#request.method
  }

  get url(): URL {
    return (this.#url ??= this.#by.url(this.#request))
  }

  get length(): number | undefined {
    return this.#by.length(this.#request)
  }

  header(name: string): string | undefined {
    return this.#by.header(this.#request, name)
  }

  setHeader(name: string, value: string): boolean {
    return this.#by.setHeader(this.#request, name, value)
  }

  refuse(error: Error): void {
    this.#by.refuse(this.#request, error)
  }

  unsent(): boolean {
    return !this.#sent && this.#by.tellsOfSending(this.#request)
  }

  watch(watcher: (happening: Happening) => void): void {
    this.#watchers.push(watcher)
  }

  happens(happening: Happening): void {
    if (happening.type !== 'failed') this.#sent = true
    for (const watcher of this.#watchers) {
      try {
        watcher(happening)
      } catch {
        // An error thrown in a channel's subscriber would end the process (node:diagnostics_channel).
      }
    }
  }
}

/** A request's URL of its origin and its target, which a proxy is given in absolute form (RFC 9112 section 3.2). */
export function targetUrl(origin: string, target: string): URL {
  const text = /^https?:\/\//i.test(target) ? target : `${origin}${target}`
  return URL.canParse(text) ? new URL(text) : new URL(origin)
}
