import { digestOf } from '../exchange/index.ts'

/**
 * The name of a service in contracts and file names: its host, and a hash of its whole address. Equal for equal
 * addresses, so that a restart finds its operations again.
 */
export function serviceName(url: URL): string {
  const readable = url.host.replaceAll(/[^A-Za-z0-9.-]+/g, '-').replaceAll(/^[-.]+|[-.]+$/g, '')
  const hash = digestOf(`${url.protocol}//${url.host}${url.pathname}`).replaceAll(/[^A-Za-z0-9]/g, '')
  return `${readable.slice(0, 40)}-${hash.slice(-8).toLowerCase()}`
}
