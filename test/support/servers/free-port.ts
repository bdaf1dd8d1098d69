import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** A loopback port that is free now, below `below`: a Redis in a cluster needs the one 10,000 above as well. */
export async function freePort(below = 65_536): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    if (port < below) return port
  }
}
