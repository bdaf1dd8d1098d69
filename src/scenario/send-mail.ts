import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { once } from 'node:events'

export interface OutgoingMail {
  readonly ref: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** Sends one mail over SMTP. @throws Error when the server refuses, or goes away before it has said that it took the mail */
export async function sendMail(port: number, mail: OutgoingMail): Promise<{ readonly accepted: string }> {
  const socket = connect(port, '127.0.0.1')
  const answers = createInterface({ input: socket })[Symbol.asyncIterator]()
  socket.on('error', () => undefined)
  const expect = async (code: string): Promise<void> => {
    const { value, done } = await answers.next()
    if (done === true) throw new Error('the mail server went away: whether it took the mail is unknown')
    if (!String(value).startsWith(code)) throw new Error(`the mail server answered ${String(value)}`)
  }
  const steps: readonly (readonly [string, string])[] = [
    ['EHLO onefold', '250'],
    ['MAIL FROM:<shop@town.example>', '250'],
    [`RCPT TO:<${mail.to}>`, '250'],
    ['DATA', '354'],
    [message(mail), '250'],
  ]
  try {
    await expect('220')
    for (const [line, code] of steps) {
      socket.write(`${line}\r\n`)
      await expect(code)
    }
    socket.end('QUIT\r\n')
    return { accepted: mail.to }
  } finally {
    if (!socket.destroyed) {
      socket.destroy()
      await once(socket, 'close').catch(() => undefined)
    }
  }
}

const message = ({ ref, to, subject, text }: OutgoingMail): string =>
  [
    `X-Ref: ${ref}`,
    `To: <${to}>`,
    `Subject: ${subject}`,
    '',
    ...text.split('\n').map((line) => (line.startsWith('.') ? `.${line}` : line)),
    '.',
  ].join('\r\n')
