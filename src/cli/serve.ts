import { upstreamUrl, withoutPassword } from '../config/index.ts'
import { OnefoldError } from '../error/index.ts'
import { plain } from './output.ts'

/** What every command that serves shares. */

export const tell = (message: string): void => void process.stderr.write(`onefold: ${plain(message)}\n`)

/** The address of what is behind. @throws OnefoldError CONFIG_INVALID for what is none */
export function upstreamOf(text: string): URL {
  const url = upstreamUrl(text)
  if (url === 'no address')
    throw invalid(`${JSON.stringify(withoutPassword(text))} is no address. Write --upstream http://127.0.0.1:3000.`)
  if (url === 'more than an address')
    throw invalid(
      'The upstream may hold a scheme, a host, a port and a path only. A query is its clients’ to send: what they ask with goes on, and tells them apart.',
    )
  return url
}

export const invalid = (problem: string): OnefoldError =>
  new OnefoldError('CONFIG_INVALID', `${problem} Nothing was started.`, { details: { problem } })

/** Starts what listens. @throws OnefoldError CONFIG_INVALID for an address that cannot be listened on */
export async function startedOn<T>(port: number, host: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start()
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL' && code !== 'ENOTFOUND') throw error
    throw invalid(`Onefold cannot listen on ${host}:${port} (${code}). Name another port or --host.`)
  }
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process as it always does. */
export function stopAsked(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.off('SIGTERM', onSignal)
      process.off('SIGINT', onSignal)
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}

/** What is undefined is left to its default. */
export const defined = <T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
