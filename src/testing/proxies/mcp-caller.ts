import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A tool's answer: its JSON-RPC result, which may itself say that it is an error. */
export interface CalledTool {
  readonly result: unknown
}

/** A JSON-RPC error: the server has answered. */
export class RpcRefusal extends Error {}

/** The barest MCP client over stdio (protocol 2025-11-25): it calls tools, and asks nothing twice. */
export interface McpCaller {
  /** @throws RpcRefusal for a JSON-RPC error. @throws Error for no answer in time, or a server that ended */
  call(tool: string, input: unknown, timeoutMs: number): Promise<CalledTool>
  /** False when the server has ended: it takes no further call. */
  isAlive(): boolean
  close(): Promise<void>
}

interface Answer {
  readonly id?: number
  /** Only in what the server asks of us, whose ids are its own. */
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly message?: string }
}

const START_MS = 60_000

/** Starts a server and shakes hands with it. @throws Error where it does not answer; it is ended then */
export async function mcpCaller(command: string, args: readonly string[]): Promise<McpCaller> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  const ended = new Promise<void>((resolve) => {
    const over = (why: string) => (): void => {
      for (const { reject } of waiting.values()) reject(new Error(why))
      waiting.clear()
      resolve()
    }
    child.once('exit', over('the MCP server ended'))
    child.once('error', over(`${command} could not be started`))
  })
  child.stdin.on('error', () => undefined)
  createInterface({ input: child.stdout }).on('line', (line) => {
    let answer: Answer
    try {
      answer = JSON.parse(line) as Answer
    } catch {
      return
    }
    if (answer.id === undefined || answer.method !== undefined) return
    waiting.get(answer.id)?.resolve(answer)
    waiting.delete(answer.id)
  })
  let ids = 0
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null
  const write = (message: object): void => void child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)

  async function ask(method: string, params: object, timeoutMs: number): Promise<unknown> {
    const id = ++ids
    let timer: NodeJS.Timeout | undefined
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        if (!isAlive()) return reject(new Error('the MCP server ended'))
        waiting.set(id, { resolve, reject })
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
        write({ id, method, params })
      })
      if (answer.error !== undefined) throw new RpcRefusal(answer.error.message ?? 'JSON-RPC error')
      return answer.result
    } finally {
      clearTimeout(timer)
      waiting.delete(id)
    }
  }

  const close = async (): Promise<void> => {
    child.stdin.end()
    child.kill()
    await ended
  }
  const clientInfo = { name: 'onefold-probe', version: '1' }
  try {
    await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }, START_MS)
  } catch (error) {
    await close()
    throw error
  }
  write({ method: 'notifications/initialized' })
  return {
    call: async (tool, input, timeoutMs) => ({
      result: await ask('tools/call', { name: tool, arguments: input }, timeoutMs),
    }),
    isAlive,
    close,
  }
}
