import { describeWithServer } from '../support/servers/absence.ts'
import { REDIS_CLIENTS } from '../support/redis-clients.ts'
import { REDIS, startRedis } from '../support/redis-server.ts'
import { MEANS, suite } from './suite.ts'

describeWithServer(REDIS, 'Redis [OR-11]', () => {
  for (const client of REDIS_CLIENTS) {
    suite(`redis by ${client.name}`, [...MEANS, 'stepClock', 'contents'], async () => {
      const server = await startRedis()
      return {
        open: () => client.open(server.url()),
        fill: () => void server.cli('CONFIG', 'SET', 'maxmemory', '1'),
        clear: () => void server.cli('CONFIG', 'SET', 'maxmemory', '0'),
        close: () => server.close(),
      }
    })
  }
})
