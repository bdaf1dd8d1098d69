import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** A server that counts the lines it gets and answers each with `ok <line>`. */
interface LineServer {
  readonly port: number
  readonly lines: string[]
  /** Resolves once it has got `count` lines in all. */
  until(count: number): Promise<void>
  close(): Promise<void>
}

async function startLineServer(): Promise<LineServer> {
  const lines: string[] = []
  const sockets = new Set<Socket>()
  let changed = (): void => undefined
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    let rest = ''
    socket.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        lines.push(line)
        socket.write(`ok ${line}\n`)
      }
      changed()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    async until(count) {
      while (lines.length < count) await new Promise<void>((resolve) => (changed = resolve))
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface LineClient {
  send(text: string): void
  /** The next answer, or how the connection ended: `reset` or `end`. */
  next(): Promise<string>
  /** What came so far and was not asked for. */
  readonly heard: readonly string[]
  end(): void
  readonly destroyed: boolean
}

const clients: Socket[] = []

async function dial(proxy: TcpProxy): Promise<LineClient> {
  const socket = createConnection(proxy.port, proxy.host)
  clients.push(socket)
  const heard: string[] = []
  let changed = (): void => undefined
  const hear = (...what: string[]): void => {
    heard.push(...what)
    changed()
  }
  let rest = ''
  socket.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    hear(...parts)
  })
  socket.on('error', () => hear('reset'))
  socket.on('end', () => hear('end'))
  // Or the reset, which may come before anybody listens for the connection.
  await once(socket, 'connect').catch(() => undefined)
  return {
    heard,
    send: (text) => void socket.write(text),
    async next() {
      while (heard.length === 0) await new Promise<void>((resolve) => (changed = resolve))
      return heard.shift()!
    },
    end: () => void socket.end(),
    get destroyed() {
      return socket.destroyed
    },
  }
}

describe('the TCP proxy', () => {
  let server: LineServer
  let proxy: TcpProxy
  beforeEach(async () => {
    server = await startLineServer()
    proxy = await startTcpProxy(server.port)
  })
  afterEach(async () => {
    for (const socket of clients.splice(0)) socket.destroy()
    await proxy.close()
    await server.close()
  })

  it('carries bytes both ways and ends when the client ends', async () => {
    const client = await dial(proxy)
    client.send('a\nb\n')
    expect([await client.next(), await client.next()]).toEqual(['ok a', 'ok b'])
    expect(proxy.open).toBe(1)
    client.end()
    expect(await client.next()).toBe('end')
  })

  it('adds latency and keeps the order', async () => {
    const client = await dial(proxy)
    proxy.set({ latencyMs: 30 })
    const from = performance.now()
    client.send('a\n')
    client.send('b\n')
    expect([await client.next(), await client.next()]).toEqual(['ok a', 'ok b'])
    expect(performance.now() - from).toBeGreaterThanOrEqual(59)
  })

  it('swallows answers while requests arrive, and delivers them when healed', async () => {
    const client = await dial(proxy)
    proxy.set({ blackhole: ['answers'] })
    client.send('a\n')
    await server.until(1)
    const other = await dial(proxy)
    other.send('b\n')
    await server.until(2)
    expect([...client.heard, ...other.heard]).toEqual([])
    proxy.heal()
    expect([await client.next(), await other.next()]).toEqual(['ok a', 'ok b'])
  })

  it('lets the request of a client that gave up land late, when the hole closes', async () => {
    const client = await dial(proxy)
    proxy.set({ blackhole: ['requests'] })
    client.send('late\n')
    client.end()
    const other = await dial(proxy)
    expect(server.lines).toEqual([])
    proxy.heal()
    other.send('x\n')
    await server.until(2)
    expect(server.lines).toContain('late')
  })

  it('drops what is under way when the connections are cut', async () => {
    const client = await dial(proxy)
    proxy.set({ blackhole: ['requests'] })
    client.send('gone\n')
    const other = await dial(proxy)
    other.send('gone too\n')
    proxy.cut()
    expect([await client.next(), await other.next()]).toEqual(['reset', 'reset'])
    proxy.heal()
    const third = await dial(proxy)
    third.send('kept\n')
    expect(await third.next()).toBe('ok kept')
    expect(server.lines).toEqual(['kept'])
  })

  it.each([
    { n: 1, lines: [] },
    { n: 4, lines: ['a'] },
    { n: 9, lines: ['a', 'b', 'c', 'd'] },
  ])('resets at byte $n of the requests', async ({ n, lines }) => {
    const client = await dial(proxy)
    const done = proxy.resetAtByte('requests', n)
    client.send('a\nb\nc\nd\ne\n')
    await done
    let last = ''
    while (last !== 'reset') last = await client.next()
    await server.until(lines.length)
    expect(server.lines).toEqual(lines)
  })

  it('resets at a byte of the answers, after the server has acted', async () => {
    const client = await dial(proxy)
    const done = proxy.resetAtByte('answers', 3)
    client.send('a\n')
    await done
    expect(await client.next()).toBe('reset')
    expect(server.lines).toEqual(['a'])
  })

  it('leaves clients half-open: nobody tells them that the server is gone', async () => {
    const client = await dial(proxy)
    client.send('a\n')
    expect(await client.next()).toBe('ok a')
    proxy.halfOpen()
    client.send('b\n')
    const fresh = await dial(proxy)
    fresh.send('c\n')
    proxy.heal()
    const after = await dial(proxy)
    after.send('d\n')
    expect(await after.next()).toBe('ok d')
    expect(server.lines).toEqual(['a', 'd'])
    expect([client.destroyed, fresh.destroyed]).toEqual([false, false])
    expect([...client.heard, ...fresh.heard]).toEqual([])
  })

  it('loses the answer to the nth request that matches, by a reset', async () => {
    const client = await dial(proxy)
    const lost = proxy.loseAnswer({ to: 'put', nth: 2 })
    for (const line of ['put 1', 'get 1']) {
      client.send(`${line}\n`)
      expect(await client.next()).toBe(`ok ${line}`)
    }
    client.send('put 2\n')
    await lost
    expect(await client.next()).toBe('reset')
    expect(server.lines).toEqual(['put 1', 'get 1', 'put 2'])
  })

  it('loses an answer by silence', async () => {
    const client = await dial(proxy)
    const lost = proxy.loseAnswer({ then: 'silence' })
    client.send('a\n')
    await lost
    const other = await dial(proxy)
    other.send('b\n')
    expect(await other.next()).toBe('ok b')
    expect(client.heard).toEqual([])
  })

  it('refuses connections, and goes to another server', async () => {
    proxy.refuse(true)
    const refused = await dial(proxy)
    expect(await refused.next()).toBe('reset')
    proxy.refuse(false)
    const second = await startLineServer()
    proxy.aim(second.port)
    const client = await dial(proxy)
    client.send('a\n')
    expect(await client.next()).toBe('ok a')
    expect([server.lines, second.lines]).toEqual([[], ['a']])
    await second.close()
  })

  it('shows a server that is not there as a reset', async () => {
    await server.close()
    const client = await dial(proxy)
    expect(await client.next()).toBe('reset')
  })
})
