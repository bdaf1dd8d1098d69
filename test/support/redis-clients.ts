import { Cluster as IoRedisCluster, Redis as IoRedis } from 'ioredis'
import { Cluster as IoValkeyCluster, Redis as IoValkey } from 'iovalkey'
import { createClient, createCluster } from 'redis'
import type { RedisClient } from '../../src/store/redis/index.ts'

/** A real client with the ways of its package. */
export interface OpenClient {
  readonly client: RedisClient
  command(...args: readonly string[]): Promise<unknown>
  /** Ends it as a killed process would. */
  end(): void
}

/** The three clients, for one server and for a cluster. */
export interface ClientPackage {
  readonly name: 'ioredis' | 'redis' | 'iovalkey'
  open(url: string): Promise<OpenClient>
  openCluster(ports: readonly number[]): Promise<OpenClient>
}

type IoClient = IoRedis | IoValkey | IoRedisCluster | IoValkeyCluster

const opened = (client: IoClient): OpenClient => ({
  client,
  command: (...args) => (client.call as (...parts: readonly string[]) => Promise<unknown>)(...args),
  end: () => client.disconnect(),
})

const nodesOf = (ports: readonly number[]): { host: string; port: number }[] =>
  ports.map((port) => ({ host: '127.0.0.1', port }))

export const REDIS_CLIENTS: readonly ClientPackage[] = [
  {
    name: 'ioredis',
    open: async (url) => opened(new IoRedis(url)),
    openCluster: async (ports) => opened(new IoRedisCluster(nodesOf(ports))),
  },
  {
    name: 'redis',
    async open(url) {
      const client = createClient({ url })
      client.on('error', () => undefined)
      await client.connect()
      return { client, command: (...args) => client.sendCommand([...args]), end: () => client.destroy() }
    },
    async openCluster(ports) {
      const client = createCluster({ rootNodes: nodesOf(ports).map((socket) => ({ socket })) })
      client.on('error', () => undefined)
      await client.connect()
      return {
        client,
        command: (name, ...args) => client.sendCommand(args[0], false, [name as string, ...args]),
        end: () => client.destroy(),
      }
    },
  },
  {
    name: 'iovalkey',
    open: async (url) => opened(new IoValkey(url)),
    openCluster: async (ports) => opened(new IoValkeyCluster(nodesOf(ports))),
  },
]
