import { describeWithServer } from '../support/servers/absence.ts'
import { REDIS_CLIENTS } from '../support/redis-clients.ts'
import { REDIS, startRedisCluster } from '../support/redis-server.ts'
import { MEANS, suite } from './suite.ts'

describeWithServer(REDIS, 'A cluster of three masters [OR-11]', () => {
  for (const client of REDIS_CLIENTS) {
    suite(`redis cluster by ${client.name}`, MEANS, async () => {
      const cluster = await startRedisCluster()
      const all = (maxmemory: string): void => {
        for (const server of cluster.servers) server.cli('CONFIG', 'SET', 'maxmemory', maxmemory)
      }
      return {
        open: () => client.openCluster(cluster.ports),
        fill: () => all('1'),
        clear: () => all('0'),
        close: () => cluster.close(),
      }
    })
  }
})
