import type { NodeRedisClient, NodeRedisCluster } from './clients.ts'
import { answerOf, type Driver, type Listener, type Node } from './driver.ts'
import { watchConnection } from './connection-watch.ts'

/** Speaks to the package redis (node-redis). */
export function nodeRedisDriver(client: NodeRedisClient | NodeRedisCluster): Driver {
  const many = 'nodeClient' in client ? client : undefined
  const one = client as NodeRedisClient
  const watched = watchConnection(client)
  const send = (to: NodeRedisClient, args: readonly string[]): Promise<unknown> => to.sendCommand(args).then(answerOf)

  async function nodesOf(of: NodeRedisCluster): Promise<readonly Node[]> {
    const clients = (await Promise.all(of.masters.map((node) => of.nodeClient(node as never)))) as NodeRedisClient[]
    return clients.map((each) => ({ command: (args) => send(each, args) }))
  }

  return {
    cluster: many !== undefined,
    async connect() {
      watched.attach()
      if (!client.isOpen) await client.connect()
    },
    command: (key, args) => (many === undefined ? send(one, args) : many.sendCommand(key, false, [...args])),
    commandAndWait: (args, replicas, timeoutMs) =>
      watched.unbroken(() =>
        Promise.all([send(one, args), send(one, ['WAIT', String(replicas), String(timeoutMs)]).then(Number)] as const),
      ),
    masters: async () =>
      many === undefined ? [{ command: (args: readonly string[]) => send(one, args) }] : await nodesOf(many),

    listen(heard, again): Listener {
      const listener = client.duplicate()
      listener.on('error', () => undefined)
      listener.on('ready', again)
      const begun = listener.connect()
      const hear = (_: string, channel: string): void => heard(channel)
      return {
        begun,
        subscribe: async (channel) => void (await listener.subscribe(channel, hear)),
        unsubscribe: async (channel) => void (await listener.unsubscribe(channel)),
        close: () => listener.destroy(),
      }
    },
    trouble: watched.trouble,
    release: watched.release,
  }
}
