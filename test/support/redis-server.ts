import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { serverProgram, type ServerProgram } from './servers/absence.ts'
import { serverFolder } from './servers/folder.ts'
import { freePort } from './servers/free-port.ts'

/** A server of its own on a free loopback port, in a temporary folder. */
export interface RedisServer {
  readonly port: number
  readonly pid: number
  url(login?: { readonly user?: string; readonly password?: string }): string
  /** SIGKILL, as a dead machine would end; files stay. */
  kill(): Promise<void>
  /** SIGTERM: orderly. */
  stop(): Promise<void>
  start(): Promise<void>
  /** The server stands still: connections stay open, nothing is answered. */
  freeze(): void
  thaw(): void
  /** Runs redis-cli against it. @returns what it printed */
  cli(...args: readonly string[]): string
  /** Ends everything and removes the files. */
  close(): Promise<void>
}

/** The program, for `describeWithServer`. */
export const REDIS: ServerProgram = { command: 'redis-server', install: 'apt-get install redis-server' }
const TRIES = 400

/** Durable as manual tools need it. */
const ALWAYS = { appendonly: 'yes', appendfsync: 'always' }

/** Starts a server. @param settings lines of `redis.conf` */
export async function startRedis(settings: Readonly<Record<string, string | number>> = ALWAYS): Promise<RedisServer> {
  const program = serverProgram(REDIS) ?? ''
  if (program === '') throw new Error('redis-server is not installed')
  const folder = serverFolder('onefold-redis-')
  // The bus of a cluster listens 10,000 above.
  const port = await freePort(settings['cluster-enabled'] === undefined ? 65_536 : 55_000)
  let server: ChildProcess | undefined

  async function start(): Promise<void> {
    const given = { bind: '127.0.0.1', port, dir: folder, save: '', 'maxmemory-policy': 'noeviction', ...settings }
    const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, ...words(value)])
    server = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const hear = (chunk: Buffer): string => (said = (said + chunk.toString()).slice(-4_000))
    server.stdout?.on('data', hear)
    server.stderr?.on('data', hear)
    for (let n = 0; n < TRIES; n += 1) {
      if (said.includes('Ready to accept connections')) return
      if (server.exitCode !== null) throw new Error(`redis-server ended: ${said}`)
      await pause(10)
    }
    throw new Error(`redis-server does not start: ${said}`)
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill('SIGCONT')
    server.kill(signal)
    await gone
    server = undefined
  }

  await start()
  return {
    port,
    get pid() {
      return server?.pid ?? 0
    },
    url: ({ user = '', password } = {}) =>
      `redis://${password === undefined ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    start,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    cli: (...args) => spawnSync(program.replace(/server$/, 'cli'), ['-p', String(port), ...args]).stdout.toString(),
    async close() {
      await end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const words = (value: string | number): string[] => (value === '' ? [''] : String(value).split(' '))

/** Three masters, each with a third of the slots. */
export interface RedisCluster {
  readonly ports: readonly number[]
  readonly servers: readonly RedisServer[]
  close(): Promise<void>
}

const SLOTS = 16_384
const NODES = 3

export async function startRedisCluster(): Promise<RedisCluster> {
  const servers: RedisServer[] = []
  for (let n = 0; n < NODES; n += 1)
    servers.push(await startRedis({ ...ALWAYS, 'cluster-enabled': 'yes', 'cluster-node-timeout': 5_000 }))
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()))
  }
  try {
    const share = Math.ceil(SLOTS / NODES)
    for (const [n, server] of servers.entries()) {
      server.cli('CLUSTER', 'ADDSLOTSRANGE', String(n * share), String(Math.min((n + 1) * share, SLOTS) - 1))
      server.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(n + 1))
      for (const other of servers) server.cli('CLUSTER', 'MEET', '127.0.0.1', String(other.port))
    }
    for (let n = 0; !servers.every((server) => server.cli('CLUSTER', 'INFO').includes('cluster_state:ok')); n += 1) {
      if (n > TRIES) throw new Error(`the cluster does not form: ${servers[0]?.cli('CLUSTER', 'INFO')}`)
      await pause(25)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { ports: servers.map(({ port }) => port), servers, close }
}
