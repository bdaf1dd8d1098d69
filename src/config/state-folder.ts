import { isAbsolute, join } from 'node:path'
import { OnefoldError } from '../error/index.ts'

/** What the folder depends on. */
export interface StatePlace {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The user's folder for ledgers: `$XDG_STATE_HOME/onefold` or `~/.local/state/onefold` (XDG Base Directory 0.8),
 * `~/Library/Application Support/onefold` on macOS, `%LOCALAPPDATA%\onefold` on Windows. MCP hosts start servers in any
 * directory, so a ledger beside the working directory would be another one each time.
 * @throws OnefoldError CONFIG_INVALID where the system names no home
 */
export function stateFolder({ platform, env }: StatePlace = process): string {
  if (platform === 'win32') {
    const local =
      env['LOCALAPPDATA'] ??
      (env['USERPROFILE'] === undefined ? undefined : join(env['USERPROFILE'], 'AppData', 'Local'))
    return join(local ?? homeless(), 'onefold')
  }
  const xdg = env['XDG_STATE_HOME']
  // The specification tells to ignore paths that are not absolute.
  if (platform !== 'darwin' && xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'onefold')
  const home = env['HOME']
  if (home === undefined || home === '') return homeless()
  return platform === 'darwin'
    ? join(home, 'Library', 'Application Support', 'onefold')
    : join(home, '.local', 'state', 'onefold')
}

/** The default ledger of the proxy: one file a server. `name` is what `upstreamName` gives. */
export const defaultLedger = (name: string, place?: StatePlace): string => join(stateFolder(place), `${name}.db`)

function homeless(): never {
  throw new OnefoldError(
    'CONFIG_INVALID',
    'There is no home directory for the default ledger (HOME is not set). Nothing was started; say where it is: --store sqlite:/path/ledger.db',
  )
}
