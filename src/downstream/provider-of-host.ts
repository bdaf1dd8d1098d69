import { OnefoldError } from '../error/index.ts'
import { PROVIDERS, providerNamed, type Provider } from './providers.ts'

/**
 * Providers of your own hosts: a host name (with its port, where it has one) or `*.suffix`, and the name of a row of
 * `PROVIDERS`; or the header under which the host takes a key; or `false` for a host that takes none.
 */
export type ProviderHosts = Readonly<Record<string, string | { readonly header: string } | false>>

/** What a write to a host carries: a provider of the table, or an unlisted one. */
export interface Taker extends Pick<Provider, 'carrier' | 'paths' | 'window'> {
  /** Undefined for a host that no row names: it is given a UUID in `Idempotency-Key`. */
  readonly name: string | undefined
  /** What to do where it takes no key. */
  readonly instead: string | undefined
}

const UNLISTED: Taker = {
  name: undefined,
  carrier: { in: 'header', name: 'Idempotency-Key' },
  instead: undefined,
}

/** Finds the provider of a URL's host; yours first. @throws OnefoldError CONFIG_INVALID for a name that no row has */
export function providersByHost(own: ProviderHosts = {}): (url: URL) => Taker {
  const exact = new Map<string, Taker>()
  const suffixes: (readonly [suffix: string, taker: Taker])[] = []
  const add = (host: string, taker: Taker): void => {
    if (host.startsWith('*.')) suffixes.push([host.slice(1), taker])
    else if (!exact.has(host)) exact.set(host, taker)
  }
  for (const [host, given] of Object.entries(own)) add(host.toLowerCase(), ownTaker(host, given))
  for (const name of Object.keys(PROVIDERS)) {
    const provider = providerNamed(name)
    if (provider !== undefined) for (const host of provider.hosts) add(host, takerOf(provider))
  }
  return ({ host, hostname }) =>
    exact.get(host) ?? exact.get(hostname) ?? suffixes.find(([suffix]) => hostname.endsWith(suffix))?.[1] ?? UNLISTED
}

const takerOf = ({ name, carrier, paths, window, key }: Provider): Taker => ({
  name,
  carrier,
  ...(paths === undefined ? {} : { paths }),
  ...(window === undefined ? {} : { window }),
  instead: key.form === 'none' ? key.instead : undefined,
})

function ownTaker(host: string, given: ProviderHosts[string]): Taker {
  if (given === false) return { name: undefined, carrier: { in: 'nowhere' }, instead: 'use probe() or manual()' }
  if (typeof given !== 'string') return { ...UNLISTED, carrier: { in: 'header', name: headerOf(host, given) } }
  const provider = providerNamed(given)
  if (provider !== undefined) return takerOf(provider)
  throw new OnefoldError(
    'CONFIG_INVALID',
    `providers: ${host} is called ${given}, which is none of ${Object.keys(PROVIDERS).join(', ')}. Give { header: 'Name-Of-Header' } for any other.`,
  )
}

/** The header itself: any other would be sent beside it, and the host would see no key while its retries count as keyed. */
function headerOf(host: string, given: { readonly header: string } | undefined): string {
  const name: unknown = given?.header
  if (typeof name === 'string' && /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name)) return name
  throw new OnefoldError(
    'CONFIG_INVALID',
    `providers: ${host} names no header. Give { header: 'Name-Of-Header' }, the name of a provider, or false.`,
  )
}
