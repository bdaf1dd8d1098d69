/** The address of a service: a scheme of HTTP, a host, a port and a path. Or what keeps a text from being one. */
export function upstreamUrl(text: string): URL | 'no address' | 'more than an address' {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'no address'
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return isPlain ? url : 'more than an address'
}
