import { createServer, type Server, type Socket } from 'node:net'

/** One mail as it came in. */
export interface Mail {
  /** What the mail is about: its `X-Ref` header. */
  readonly ref: string
  /** Its `Message-ID`; mail servers deliver two mails of one id twice. */
  readonly id: string | undefined
  readonly text: string
}

/** A mail server as RFC 5321 has it, as far as a client needs that sends: it counts mails and delivers none. */
export function startMailServer(deliver: (mail: Mail) => 'accept' | 'drop'): Server {
  return createServer((socket) => converse(socket, deliver))
}

const LIMIT = 1_000_000

function converse(socket: Socket, deliver: (mail: Mail) => 'accept' | 'drop'): void {
  let buffer = ''
  let body: string[] | undefined
  const say = (line: string): void => void socket.write(`${line}\r\n`)
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  say('220 town ESMTP')

  function command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'DATA') {
      body = []
      return say('354 go on')
    }
    if (verb === 'QUIT') {
      say('221 bye')
      return void socket.end()
    }
    say(['EHLO', 'HELO', 'MAIL', 'RCPT', 'RSET', 'NOOP'].includes(verb) ? '250 ok' : '502 not here')
  }

  function content(line: string, lines: string[]): void {
    if (line !== '.') {
      // RFC 5321 4.5.2: a line that begins with a dot carries one more.
      lines.push(line.startsWith('..') ? line.slice(1) : line)
      return
    }
    body = undefined
    const text = lines.join('\n')
    const header = (name: string): string | undefined =>
      lines
        .find((each) => each.toLowerCase().startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim()
    if (deliver({ ref: header('x-ref') ?? '', id: header('message-id'), text }) === 'drop') return void socket.destroy()
    say('250 delivered')
  }

  socket.on('data', (chunk: string) => {
    buffer += chunk
    if (buffer.length > LIMIT) return void socket.destroy()
    for (let end = buffer.indexOf('\r\n'); end >= 0; end = buffer.indexOf('\r\n')) {
      const line = buffer.slice(0, end)
      buffer = buffer.slice(end + 2)
      if (body === undefined) command(line)
      else content(line, body)
    }
  })
}
