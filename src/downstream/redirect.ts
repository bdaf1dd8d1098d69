/** Where a redirected write goes on. */
export interface NextHop {
  readonly url: URL
  readonly method: string
  /** True where the next request is a read of the result: no body, no key. */
  readonly isRead: boolean
}

/** As many as the Fetch standard allows (https://fetch.spec.whatwg.org/#http-redirect-fetch). */
export const MOST_HOPS = 20

/**
 * The next request after a redirect of a write, by the Fetch standard's rules, except that a write never goes on to
 * another host: the key was made for this one, and what the first host has done is not known there.
 * @returns undefined where the redirect is to be handed to the caller as it is
 */
export function nextHop(response: Response, method: string, url: URL): NextHop | undefined {
  const location = response.headers.get('location')
  if (location === null || !URL.canParse(location, url.href)) return undefined
  const target = new URL(location, url.href)
  if (target.protocol !== 'https:' && target.protocol !== 'http:') return undefined
  const { status } = response
  if (status === 303 || ((status === 301 || status === 302) && method === 'POST')) {
    return { url: target, method: 'GET', isRead: true }
  }
  if (![301, 302, 307, 308].includes(status) || !isSameHost(url, target)) return undefined
  return { url: target, method, isRead: false }
}

/** The origin at which a client that follows this answer repeats the request under the same path; undefined where it does not. */
export function movedTo(status: number, location: string | undefined, method: string, url: URL): string | undefined {
  const isRepeat = status === 307 || status === 308 || ((status === 301 || status === 302) && method !== 'POST')
  if (!isRepeat || location === undefined || !URL.canParse(location, url.href)) return undefined
  const { origin, pathname, search } = new URL(location, url.href)
  return pathname === url.pathname && search === url.search ? origin : undefined
}

/** The same origin, or the same name and default port with TLS added. */
function isSameHost(from: URL, to: URL): boolean {
  if (from.origin === to.origin) return true
  return (
    from.hostname === to.hostname &&
    from.protocol === 'http:' &&
    to.protocol === 'https:' &&
    to.port === '' &&
    from.port === ''
  )
}

/** Headers that say something of the write: its body, its key. */
const OF_THE_WRITE: readonly string[] = [
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-location',
  'idempotency-key',
  'onefold-sequence',
]

/** Headers for a read at another origin than the write's (https://fetch.spec.whatwg.org/#http-redirect-fetch, step 13). */
export function withoutCredentials(headers: Headers, from: URL, to: URL): Headers {
  const kept = new Headers(headers)
  for (const name of OF_THE_WRITE) kept.delete(name)
  if (from.origin !== to.origin)
    for (const name of ['authorization', 'cookie', 'proxy-authorization']) kept.delete(name)
  return kept
}
