import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { nextCall, type Answer, type Return } from './story.ts'

/** How an MCP server is started over standard input and output. */
export interface ServerCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** File descriptor for its standard error. */
  readonly stderr: number
}

/** Works through the returns with the tools of the server that it starts, and lets go of the server. */
export type Agent = (returns: readonly Return[], server: ServerCommand) => Promise<void>

interface Reply {
  readonly id?: number
  readonly result?: { readonly content?: readonly { readonly text?: string }[] }
  readonly error?: { readonly message: string }
}

/** The scripted model over a minimal MCP client of our own. */
export const scriptedAgent: Agent = async (returns, server) => {
  const child = spawn(server.command, server.args, { env: { ...server.env }, stdio: ['pipe', 'pipe', server.stderr] })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('the MCP server has no standard input and output')
  const waiting = new Map<number, (reply: Reply) => void>()
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the MCP server ended with ${String(code)}`)))
  })
  gone.catch(() => undefined)
  createInterface({ input: stdout }).on('line', (line) => {
    const reply = JSON.parse(line) as Reply
    if (reply.id === undefined) return
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })
  const write = (message: object): void => void stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  let last = 0
  const request = (method: string, params: object): Promise<Reply> => {
    const id = ++last
    const reply = new Promise<Reply>((resolve) => waiting.set(id, resolve))
    write({ id, method, params })
    return Promise.race([reply, gone])
  }

  await request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'scripted-agent', version: '1.0.0' },
  })
  write({ method: 'notifications/initialized' })
  for (const wanted of returns) {
    const answers: Answer[] = []
    for (let call = nextCall(wanted, answers); call !== undefined; call = nextCall(wanted, answers)) {
      const { result, error } = await request('tools/call', call)
      const text = (result?.content ?? []).map((part) => part.text ?? '').join('\n')
      answers.push({ name: call.name, text: error === undefined ? text : `Error: ${error.message}` })
    }
  }
  stdin.end()
  await gone.catch(() => undefined)
}
