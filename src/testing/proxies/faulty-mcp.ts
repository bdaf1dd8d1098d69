import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import { holding, planner, type FaultPlan, type ProxyFault } from './plan.ts'

/** A tool call that has passed, or would have. */
export interface PassedCall {
  readonly tool: string
  readonly arguments: unknown
  readonly fault: ProxyFault | undefined
}

export interface FaultyMcpOptions {
  /** The MCP server (stdio) behind it. */
  readonly command: string
  readonly args?: readonly string[]
  /** Only tool calls meet faults; everything else passes. @default none */
  readonly faults?: FaultPlan<Omit<PassedCall, 'fault'>>
  /** How long `delay` holds an answer at most, in milliseconds. @default 30,000 */
  readonly delayMs?: number
}

const NAMES: NamesOf<FaultyMcpOptions> = { command: true, args: true, faults: true, delayMs: 'number' }

/** A program between an MCP client and its server. Give `command` and `args` to the client in the server's place. */
export interface FaultyMcp extends AsyncDisposable {
  readonly command: string
  readonly args: readonly string[]
  plan(...faults: readonly (ProxyFault | undefined)[]): void
  /** Every tool call that arrived, oldest first, over all restarts. */
  calls(): readonly PassedCall[]
  release(): void
  close(): Promise<void>
}

const DELAY_MS = 30_000

/**
 * Prepares the program: it asks this process, over loopback, what each tool call is to meet. A lost answer is none at
 * all, so the client's own time-out ends the waiting; `crash-…` kills the server and the program.
 */
export async function faultyMcp(options: FaultyMcpOptions): Promise<FaultyMcp> {
  knownOptions('faultyMcp', options, NAMES)
  const plan = planner(options.faults)
  const held = holding()
  const passed: PassedCall[] = []
  const server = createServer((request, response) => {
    if (request.url === '/held') {
      void held.hold(options.delayMs ?? DELAY_MS).then(() => response.end())
      return
    }
    let text = ''
    request.on('data', (chunk: Buffer) => (text += String(chunk)))
    request.on('end', () => {
      const call = JSON.parse(text) as Omit<PassedCall, 'fault'>
      const fault = plan.next(call)
      passed.push({ ...call, fault })
      response.end(fault ?? '')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const program = fileURLToPath(new URL(`./faulty-mcp.process.${extension}`, import.meta.url))
  const close = async (): Promise<void> => {
    held.release()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    command: process.execPath,
    args: [program, `http://127.0.0.1:${port}`, options.command, ...(options.args ?? [])],
    plan: (...faults) => plan.add(faults),
    calls: () => passed,
    release: held.release,
    close,
    [Symbol.asyncDispose]: close,
  }
}
