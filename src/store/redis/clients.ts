/** The part of an ioredis or iovalkey connection that the store calls; `Redis` of either fits. */
export interface IoRedisConnection {
  readonly isCluster?: boolean
  readonly status: string
  readonly options?: IoRedisSettings
  call(command: string, ...args: string[]): Promise<unknown>
  duplicate(...options: never[]): IoRedisConnection
  connect(): Promise<unknown>
  subscribe(...channels: string[]): Promise<unknown>
  unsubscribe(...channels: string[]): Promise<unknown>
  disconnect(): void
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** Settings of ioredis that change what a ledger asks for or what it is answered. */
export interface IoRedisSettings {
  readonly keyPrefix?: unknown
  readonly stringNumbers?: unknown
}

/** `Cluster` of ioredis or iovalkey. */
export interface IoRedisCluster extends IoRedisConnection {
  nodes(role?: 'master'): IoRedisConnection[]
}

/** `createClient(…)` of the package redis. */
export interface NodeRedisClient {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  sendCommand(args: readonly string[]): Promise<unknown>
  duplicate(): NodeRedisClient
  subscribe(channel: string, listener: (message: string, channel: string) => void): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  destroy(): void
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** `createCluster(…)` of the package redis. */
export interface NodeRedisCluster {
  readonly isOpen: boolean
  readonly masters: readonly unknown[]
  connect(): Promise<unknown>
  nodeClient(node: never): Promise<unknown>
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>
  duplicate(): NodeRedisCluster
  subscribe(channel: string, listener: (message: string, channel: string) => void): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  destroy(): void
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** A client of ioredis, iovalkey or redis, for one server or a cluster. */
export type RedisClient = IoRedisConnection | IoRedisCluster | NodeRedisClient | NodeRedisCluster
