import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connectMcp } from '../../scenario/index.ts'
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

/** The scripted model over a minimal MCP client of our own. */
export const scriptedAgent: Agent = async (returns, server) => {
  const child = spawn(server.command, server.args, { env: { ...server.env }, stdio: ['pipe', 'pipe', server.stderr] })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('the MCP server has no standard input and output')
  // Rejects for a server that cannot be started; the client's requests are rejected then as well, and first.
  const gone = once(child, 'exit')
  gone.catch(() => undefined)
  const client = await connectMcp(stdout, stdin)
  for (const wanted of returns) {
    const answers: Answer[] = []
    for (let call = nextCall(wanted, answers); call !== undefined; call = nextCall(wanted, answers)) {
      const { result, error } = await client.request('tools/call', call)
      const text = (result?.content ?? []).map((part) => part.text ?? '').join('\n')
      answers.push({ name: call.name, text: error === undefined ? text : `Error: ${error.message}` })
    }
  }
  stdin.end()
  await gone
}
