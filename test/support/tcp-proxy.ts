import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'

/** `requests` go from the client to the server, `answers` come back. */
export type Direction = 'requests' | 'answers'

/** What the network does from now on, to open and to new connections alike. */
export interface Network {
  /** Added to every chunk of both directions, in milliseconds; order is kept. @default 0 */
  readonly latencyMs: number
  /**
   * Directions in which nothing arrives. As with real TCP the bytes are not lost: they arrive when the hole closes, even
   * those of a client that has given up meanwhile, unless {@link TcpProxy.cut} drops them. @default none
   */
  readonly blackhole: readonly Direction[]
}

/** Which answer is lost. */
export interface LostAnswer {
  /** Counts only requests whose first chunk holds this text, such as `PutItem`. @default every request */
  readonly to?: string
  /** The nth such request from now on. @default 1 */
  readonly nth?: number
  /** `reset`: the client sees a reset; `silence`: it hears nothing more on this connection. @default 'reset' */
  readonly then?: 'reset' | 'silence'
}

/** A TCP proxy on loopback whose network can be spoilt while it runs. */
export interface TcpProxy {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Connections that clients hold open. */
  readonly open: number
  /** Changes some of what the network does. */
  set(network: Partial<Network>): void
  /** A sound network again: held bytes are delivered, and what was ordered and has not come to pass never will. */
  heal(): void
  /** Resets every open connection on both sides; bytes under way are dropped. */
  cut(): void
  /**
   * Resets the client of the connection that carries the nth byte of a direction from now on; n-1 bytes get through.
   * The server sees the connection end, so that it reads what came; a client may lose what it had not read by then.
   */
  resetAtByte(direction: Direction, n: number): Promise<void>
  /**
   * The server's side of every connection ends and the clients are not told: their bytes go nowhere.
   * New connections are accepted and stay silent, until {@link heal}; those of before stay dead.
   */
  halfOpen(): void
  /**
   * The server gets a request, acts and answers; the answer is lost. Resolves once the server has answered, or once the
   * connection is gone. A request is what a client sends after silence or an answer, so pipelined requests count as one.
   */
  loseAnswer(which?: LostAnswer): Promise<void>
  /** Refuses new connections (true), as a server that is down. */
  refuse(yes: boolean): void
  /** New connections go to another port of this machine: a fail-over, or a server that was started anew. */
  aim(port: number): void
  close(): Promise<void>
}

interface Link {
  readonly client: Socket
  /** Undefined for a connection whose server is not there. */
  server: Socket | undefined
  /** True once the client has sent and no answer has come. */
  asking: boolean
  losing: Pending | undefined
  readonly pipes: (() => void)[]
}

interface Pending {
  readonly which: Required<LostAnswer>
  left: number
  readonly done: () => void
}

interface ByteTrap {
  readonly direction: Direction
  left: number
  readonly done: () => void
}

const SOUND: Network = { latencyMs: 0, blackhole: [] }

/** Starts a proxy before `target`, a port of this machine. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const links = new Set<Link>()
  let network = SOUND
  let answers: Pending[] = []
  let traps: ByteTrap[] = []
  let silent = false
  let refusing = false
  let goal = target

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => undefined)
    if (refusing) return void client.resetAndDestroy()
    const link: Link = { client, server: undefined, asking: false, losing: undefined, pipes: [] }
    links.add(link)
    client.on('close', () => {
      if (link.server === undefined || link.server.destroyed) links.delete(link)
    })
    if (silent) return void client.resume()
    const upstream = createConnection({ port: goal, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    link.server = upstream
    // A server that is not there or that resets: the client sees a reset too.
    upstream.on('error', () => drop(link))
    upstream.on('close', () => {
      if (client.destroyed) links.delete(link)
    })
    connect(link, client, upstream, 'requests')
    connect(link, upstream, client, 'answers')
  })

  function drop(link: Link): void {
    links.delete(link)
    if (link.server?.destroyed === false) link.server.resetAndDestroy()
    link.client.resetAndDestroy()
    link.losing?.done()
  }

  /** Carries the bytes of one direction, in order, under what the network does at each moment. */
  function connect(link: Link, from: Socket, to: Socket, direction: Direction): void {
    const queue: { readonly chunk: Buffer | undefined; readonly due: number }[] = []
    let timer: NodeJS.Timeout | undefined

    function pump(): void {
      while (timer === undefined && queue.length > 0 && !network.blackhole.includes(direction)) {
        const [next] = queue
        const wait = next!.due - performance.now()
        if (wait > 0) {
          timer = setTimeout(() => {
            timer = undefined
            pump()
          }, wait)
          return
        }
        queue.shift()
        deliver(next!.chunk)
      }
    }

    function deliver(chunk: Buffer | undefined): void {
      if (to.destroyed) return
      if (chunk === undefined) return void to.end()
      const trap = traps.find((one) => one.direction === direction)
      if (trap === undefined) return pass(chunk)
      trap.left -= chunk.length
      if (trap.left > 0) return pass(chunk)
      traps = traps.filter((one) => one !== trap)
      const end = (): void => {
        // Not a reset: that would make the server's kernel throw away bytes that it has not read yet.
        link.server?.destroy()
        drop(link)
        trap.done()
      }
      const through = chunk.subarray(0, chunk.length + trap.left - 1)
      if (through.length === 0) end()
      else to.write(through, end)
    }

    function pass(chunk: Buffer): void {
      if (to.write(chunk)) return
      from.pause()
      to.once('drain', () => from.resume())
    }

    function take(chunk: Buffer | undefined): void {
      queue.push({ chunk, due: performance.now() + network.latencyMs })
      pump()
    }

    link.pipes.push(pump)
    from.on('data', (chunk: Buffer) => {
      if (direction === 'requests') noteRequest(link, chunk)
      else if (loses(link)) return
      take(chunk)
    })
    from.on('end', () => take(undefined))
  }

  function noteRequest(link: Link, chunk: Buffer): void {
    if (link.asking) return
    link.asking = true
    for (const pending of answers) {
      if (!chunk.includes(pending.which.to)) continue
      pending.left -= 1
      if (pending.left > 0) continue
      answers = answers.filter((one) => one !== pending)
      link.losing = pending
      return
    }
  }

  /** True when the server's bytes are to vanish. */
  function loses(link: Link): boolean {
    link.asking = false
    const { losing } = link
    if (losing === undefined) return false
    if (losing.which.then === 'reset') drop(link)
    else losing.done()
    return true
  }

  const pumpAll = (): void => {
    for (const link of links) for (const pump of link.pipes) pump()
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    get open() {
      return [...links].filter((link) => !link.client.destroyed).length
    },
    set(changes) {
      network = { ...network, ...changes }
      pumpAll()
    },
    heal() {
      network = SOUND
      answers = []
      traps = []
      answers = []
      traps = []
      silent = false
      refusing = false
      pumpAll()
    },
    cut() {
      for (const link of links) drop(link)
    },
    resetAtByte: (direction, n) =>
      new Promise((done) => {
        traps.push({ direction, left: n, done })
      }),
    halfOpen() {
      silent = true
      for (const link of links) {
        const upstream = link.server
        link.server = undefined
        link.pipes.length = 0
        if (upstream === undefined) continue
        upstream.removeAllListeners('end')
        upstream.on('error', () => undefined).destroy()
        link.client.removeAllListeners('data').resume()
      }
    },
    loseAnswer: (which = {}) =>
      new Promise((done) => {
        const { to = '', nth = 1, then = 'reset' } = which
        answers.push({ which: { to, nth, then }, left: nth, done })
      }),
    refuse(yes) {
      refusing = yes
    },
    aim(port) {
      goal = port
    },
    async close() {
      for (const link of links) drop(link)
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
