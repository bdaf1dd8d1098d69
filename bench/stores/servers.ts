import { Redis } from 'ioredis'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { findProgram } from '../../test/support/servers/absence.ts'
import { startDynalite } from '../../test/support/servers/dynalite.ts'
import { freePort } from '../../test/support/servers/free-port.ts'
import type { Place, StoreName } from './contender.ts'

/** Running servers; those of absent programs are left out. */
export interface Servers {
  readonly place: Omit<Place, 'prefix' | 'leaseMs'>
  readonly versions: Readonly<Record<string, string>>
  has(store: StoreName): boolean
  /** From now on Redis syncs every write, without which it is refused for probe and manual tools. */
  syncAlways(): Promise<void>
  close(): Promise<void>
}

async function untilListening(port: number): Promise<void> {
  for (let n = 0; n < 200; n += 1) {
    const socket = createConnection(port, '127.0.0.1')
    const ready = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (ready) return
    await pause(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

const version = (program: string): string =>
  /\d+(\.\d+)+/u.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0] ?? ''

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGINT')
  await once(child, 'exit')
}

/** Postgres refuses to run as root: then it runs as this user of its Debian package. */
const asPostgres = (command: string, args: readonly string[]): [string, string[]] =>
  userInfo().uid === 0
    ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]]
    : [command, [...args]]

/** Starts what `wanted` needs: redis-server (append-only file, synced every second), postgres (sync on), dynalite. */
export async function startServers(wanted: readonly StoreName[]): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-bench-stores-'))
  const versions: Record<string, string> = {}
  const running: (() => Promise<void>)[] = []
  const place = { folder, redisPort: 0, postgresUrl: '', dynamoPort: 0 }
  const there = new Set<StoreName>(['memory', 'sqlite'])

  if (wanted.includes('redis')) {
    const program = findProgram({ command: 'redis-server', install: '' })
    if (program === undefined)
      console.error('redis-server is not installed: Redis is left out (apt-get install redis-server)')
    else {
      place.redisPort = await freePort()
      const args = [
        '--port',
        `${place.redisPort}`,
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--appendonly',
        'yes',
      ]
      const child = spawn(program, [...args, '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'], {
        stdio: 'ignore',
      })
      running.push(() => stop(child))
      await untilListening(place.redisPort)
      versions['redis-server'] = version(program)
      there.add('redis')
    }
  }
  if (wanted.includes('postgres')) {
    const folders = ['18', '17', '16', '15'].map((major) => `/usr/lib/postgresql/${major}/bin`)
    const initdb = findProgram({ command: 'initdb', folders, install: '' })
    const program = findProgram({ command: 'postgres', folders, install: '' })
    if (initdb === undefined || program === undefined)
      console.error('postgres is not installed: Postgres is left out (apt-get install postgresql)')
    else {
      const data = mkdtempSync(join(tmpdir(), 'onefold-bench-postgres-'))
      if (userInfo().uid === 0) execFileSync('chown', ['postgres', data])
      execFileSync(...asPostgres(initdb, ['-D', data, '-U', 'bench', '-A', 'trust', '--no-instructions']), {
        stdio: 'ignore',
        cwd: data,
      })
      const port = await freePort()
      const args = [
        '-D',
        data,
        '-p',
        `${port}`,
        '-c',
        'listen_addresses=127.0.0.1',
        '-k',
        data,
        '-c',
        'max_connections=300',
      ]
      const child = spawn(...asPostgres(program, args), { stdio: 'ignore', cwd: data })
      running.push(async () => {
        await stop(child)
        rmSync(data, { recursive: true, force: true })
      })
      await untilListening(port)
      place.postgresUrl = `postgres://bench@127.0.0.1:${port}/postgres`
      versions['postgres'] = version(program)
      there.add('postgres')
    }
  }
  if (wanted.includes('dynamodb')) {
    const server = await startDynalite()
    place.dynamoPort = server.port
    running.push(() => server.close())
    versions['dynalite'] = '4.0.0'
    there.add('dynamodb')
  }
  return {
    place,
    versions,
    has: (store) => there.has(store),
    async syncAlways() {
      if (!there.has('redis')) return
      const client = new Redis(place.redisPort, '127.0.0.1')
      await client.config('SET', 'appendfsync', 'always')
      client.disconnect()
    },
    async close() {
      for (const end of running) await end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
