import { connect, type Socket } from 'node:net'

/** One connection of a client of bytes: writes a request, resolves with the status once the whole answer is there. */
export interface Line {
  post(path: string, key: string | undefined, body: string): Promise<Reply>
  end(): void
}

export interface Reply {
  readonly status: number
  readonly body: string
  readonly replayed: boolean
}

/** A client that costs as little as a client can, so that what is measured is the proxy. */
export function openLine(port: number): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let pending = ''
    let tell: ((reply: Reply) => void) | undefined
    let fail: ((error: Error) => void) | undefined
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      pending += String(chunk)
      const reply = readReply(pending)
      if (reply === undefined) return
      pending = ''
      const done = tell
      tell = undefined
      done?.(reply)
    })
    socket.on('error', (error) => (fail ?? reject)(error))
    socket.on('close', () => fail?.(new Error('the connection was closed')))
    socket.on('connect', () =>
      resolve({
        post: (path, key, body) =>
          new Promise((done, failed) => {
            tell = done
            fail = failed
            const header = key === undefined ? '' : `idempotency-key: ${key}\r\n`
            socket.write(
              `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${header}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
              'latin1',
            )
          }),
        end: () => {
          fail = undefined
          socket.destroy()
        },
      }),
    )
  })
}

function readReply(text: string): Reply | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = text.slice(0, end).toLowerCase()
  const status = Number(head.slice(9, 12))
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1]
  const replayed = head.includes('\r\nidempotent-replayed: true')
  const rest = text.slice(end + 4)
  if (length !== undefined) return rest.length >= Number(length) ? { status, body: rest, replayed } : undefined
  // Chunked, as the plain proxy answers.
  if (!rest.endsWith('0\r\n\r\n')) return undefined
  return { status, body: rest, replayed }
}
