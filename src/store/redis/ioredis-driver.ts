import type { IoRedisCluster, IoRedisConnection } from './clients.ts'
import { answerOf, type Driver, type Listener, type Node } from './driver.ts'
import { watchConnection } from './connection-watch.ts'

/** Speaks to ioredis and iovalkey. */
export function ioredisDriver(client: IoRedisConnection): Driver {
  const cluster = client.isCluster === true
  const watched = watchConnection(client)
  const call = (on: IoRedisConnection, args: readonly string[]): Promise<unknown> =>
    on.call(...(args as [string, ...string[]])).then(answerOf)
  const node = (on: IoRedisConnection): Node => ({ command: (args) => call(on, args) })

  return {
    cluster,
    async connect() {
      watched.attach()
      if (client.status === 'wait') await client.connect()
    },
    command: (_key, args) => call(client, args),
    commandAndWait: (args, replicas, timeoutMs) =>
      watched.unbroken(() =>
        Promise.all([
          call(client, args),
          call(client, ['WAIT', String(replicas), String(timeoutMs)]).then(Number),
        ] as const),
      ),
    masters: async () => (cluster ? (client as IoRedisCluster).nodes('master').map(node) : [node(client)]),

    listen(heard, again): Listener {
      const listener = client.duplicate()
      // Commands of ours may wait for a connection; errors show as silence, and silence is what polling is for.
      listener.on('error', () => undefined)
      listener.on('message', (channel) => heard(String(channel)))
      listener.on('ready', again)
      return {
        begun: listener.status === 'wait' ? listener.connect() : Promise.resolve(),
        subscribe: async (channel) => void (await listener.subscribe(channel)),
        unsubscribe: async (channel) => void (await listener.unsubscribe(channel)),
        close: () => listener.disconnect(),
      }
    },
    trouble: watched.trouble,
    release: watched.release,
  }
}
